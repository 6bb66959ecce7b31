import { TwoFactorUnavailableError } from '../../errors/index.js';

/** The base of errors that are thrown and caught inside `lib/database`. No driver throws them, and no caller receives them. */
export abstract class ExecutionError extends Error {}

/** The values of a statement could not be made. The cause is the reason, and nothing was sent. */
export class UnbindableValuesError extends ExecutionError {}

/** A connection that takes one statement at a time was given several together. None of them was sent. */
export class PipelineUnsupportedError extends ExecutionError {}

/** The statement did not say what it did. It was rolled back. */
export class UnknownEffectError extends ExecutionError {}

/** The statement ran inside a transaction that no caller had begun. It was rolled back, and may be repeated. */
export class NotCommittedError extends ExecutionError {
  constructor() {
    super(
      'The connections of the data source do not commit by themselves. Set autocommit = 1, and end every transaction ' +
        'before its query runner is released.',
    );
  }
}

/** A transaction was begun past TypeORM's `transaction`, so that it took no turn: by a query runner, or by a `BEGIN`. */
export function openTransactionError(): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    'A transaction that was begun by a query runner, or by a BEGIN, is open on the only connection of this SQLite data ' +
      'source. Begin it by dataSource.transaction(), which calls outside of it wait for, or use PostgreSQL, MariaDB or MySQL.',
  );
}

/** @param isInside whether the call itself was made inside of the transaction that it waited for. */
export function occupiedConnectionError(isInside: boolean): TwoFactorUnavailableError {
  return new TwoFactorUnavailableError(
    isInside
      ? 'The call was made inside of a transaction on the only connection of this SQLite data source, without the manager of ' +
          'that, and waited too long for its end. Pass the manager, or make the call outside of the transaction.'
      : 'Transactions of other calls occupied the only connection of this SQLite data source for too long. Wait for nothing ' +
          'but the database inside of a transaction, or use PostgreSQL, MariaDB or MySQL.',
  );
}
