import type { BoundStatement } from '../drivers/connection-lease.js';
import { bindValues, type SqlValue, type SqlValues, type Statement } from '../statement.js';
import { UnbindableValuesError } from './execution-errors.js';

/** @throws UnbindableValuesError, so that an error in making the values is not taken for one of the database. */
export function boundStatement(statement: Statement, values: () => SqlValues): BoundStatement {
  return bindLazily(statement, () => bindValues(statement, values()));
}

/** Does the same as `boundStatement`, with values that are already in the order of the placeholders. */
export function bindLazily(statement: Statement, bind: () => SqlValue[]): BoundStatement {
  try {
    return { statement, values: bind() };
  } catch (error) {
    throw new UnbindableValuesError('', { cause: error });
  }
}
