import { Catch } from '@nestjs/common';

import { isTransportRefusal } from './two-factor-http.exception.js';
import { TwoFactorExceptionFilter } from './two-factor-exception.filter.js';

/** The errors that `@RequireConfirmation` threw outside of HTTP, whatever their class is. */
class GuardRefusal {
  static [Symbol.hasInstance](thrown: unknown): boolean {
    return isTransportRefusal(thrown);
  }
}

/**
 * Answers the refusals of a guarded handler outside of HTTP where the application has no filter for them. Without it, clients
 * would receive "Internal server error", UNKNOWN, a sentence that is meant for the log, or no acknowledgement at all.
 */
@Catch(GuardRefusal)
export class GuardRefusalFilter extends TwoFactorExceptionFilter {}

/** The metadata key of `@UseFilters`. */
const FILTERS = '__exceptionFilters__';

/** Adds the filter in front of all others of the class: Nest asks the last one first, so that those of the application win. */
export function addRefusalFilter(type: object): void {
  const filters = (Reflect.getMetadata(FILTERS, type) ?? []) as readonly unknown[];
  if (filters.includes(GuardRefusalFilter)) return;
  Reflect.defineMetadata(FILTERS, [GuardRefusalFilter, ...filters], type);
}
