import { TwoFactorUnavailableError } from '../../errors/index.js';

/** The base of errors that are thrown and caught inside `lib/database`. No driver throws them, and no caller receives them. */
export abstract class ExecutionError extends Error {}

/** The values of a statement could not be made. The cause is the reason, and nothing was sent. */
export class UnbindableValuesError extends ExecutionError {}

/** A connection that takes one statement at a time was given several together. None of them was sent. */
export class PipelineUnsupportedError extends ExecutionError {}

/** The statement did not say what it did. It was rolled back. */
export class UnansweredError extends ExecutionError {}

/** The statement ran inside a transaction that no caller had begun. It was rolled back, and may be repeated. */
export class NotCommittedError extends ExecutionError {
  constructor() {
    super(
      'The connections of the data source do not commit by themselves. Set autocommit = 1, and end every transaction ' +
        'before its query runner is released.',
    );
  }
}

export function openTransactionError(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'Another transaction is open on the only connection of this SQLite data source. Call this outside of it, or use ' +
      'PostgreSQL or MariaDB.',
  );
}
