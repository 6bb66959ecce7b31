import { idInList, type LimitDialect } from './limit-dialect.js';
import { postgresDialect } from './postgres.dialect.js';

/** SQLite speaks PostgreSQL's upsert, and has one writer at a time. */
export const sqliteDialect: LimitDialect = {
  ...postgresDialect,
  isOneOf: idInList,
  updateInOrder: ({ table }, assignments, condition) =>
    `UPDATE ${table} SET ${assignments} WHERE ${condition}`,
  deleteInOrder: ({ table }, condition) => `DELETE FROM ${table} WHERE ${condition}`,
};
