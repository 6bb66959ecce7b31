import type { ConfirmationDialect } from './confirmation-dialect.js';

export const postgresDialect: ConfirmationDialect = {
  // Named columns: `RETURNING *` in a named statement breaks when a column is added.
  returning: ({ columns }) => `RETURNING ${columns}`,
  exactly: (column, list) => `${column} IN (${list})`,
  asKey: (column) => column,
  // Without the cast PostgreSQL takes a parameter inside CASE for text.
  epochMs: (placeholder) => `CAST(${placeholder} AS bigint)`,
  // Without the cast PostgreSQL does not know the type of a parameter that may be NULL.
  isAbsent: (placeholder) => `CAST(${placeholder} AS varchar) IS NULL`,
  // Not strpos, which takes no column whose collation is nondeterministic.
  isAmong: (column, placeholder) =>
    `${column} = ANY(string_to_array(CAST(${placeholder} AS varchar), ','))`,
  allRows: '',
  onPrimary: (select) => select,
  unlessTaken: ({ column }) => `ON CONFLICT (${column.id}) DO NOTHING`,
};
