import type { ExecutionContext } from '@nestjs/common';

/** What `@RequireConfirmation` leaves on a route. */
export interface ConfirmationRequirement {
  readonly purpose: string;
  readonly useIn: 'guard' | 'handler';
  readonly confirmationId: ((context: ExecutionContext) => unknown) | undefined;
  readonly details: ((context: ExecutionContext) => unknown) | undefined;
  readonly senders: readonly string[] | undefined;
}

export const REQUIREMENT = Symbol.for('nestjs-two-factor:requirement');
