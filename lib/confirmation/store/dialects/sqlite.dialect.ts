import type { ConfirmationDialect } from './confirmation-dialect.js';
import { postgresDialect } from './postgres.dialect.js';

/** SQLite 3.35 and later speak PostgreSQL's RETURNING and ON CONFLICT, and have no arrays. */
export const sqliteDialect: ConfirmationDialect = {
  ...postgresDialect,
  isAmong: (column, placeholder) =>
    `instr(${column}, ',') = 0 AND instr(${placeholder}, ',' || ${column} || ',') > 0`,
};
