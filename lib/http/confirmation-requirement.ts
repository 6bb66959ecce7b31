import type { ExecutionContext } from '@nestjs/common';

import type { JsonValue } from '../confirmation/index.js';

/** What `@RequireConfirmation` leaves on a route. */
export interface ConfirmationRequirement {
  readonly purpose: string;
  readonly useIn: 'guard' | 'handler';
  readonly confirmationId: ((context: ExecutionContext) => unknown) | undefined;
  readonly details: ((context: ExecutionContext) => JsonValue | Promise<JsonValue>) | undefined;
}

export const REQUIREMENT = Symbol.for('nestjs-two-factor:requirement');
