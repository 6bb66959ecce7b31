import { TwoFactorUnavailableError } from '../../errors/index.js';

/** The values of a statement could not be made. The cause is the reason, and nothing was sent. */
export class UnbindableValuesError extends Error {}

/** Several statements were to be sent at once, on a connection that takes one at a time. Nothing was sent. */
export class PipelineUnsupportedError extends Error {}

/** The statement ran inside a transaction that no caller had begun. It was rolled back, and may be repeated. */
export class NotCommittedError extends Error {
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
