import type { ConfirmationDialect } from './confirmation-dialect.js';

/** MariaDB and MySQL: no UPDATE ... RETURNING, and `=` that takes `LOGIN ` for `login`. */
export const mysqlDialect: ConfirmationDialect = {
  returning: () => '',
  // Converted first: in a latin1 column the same text has other bytes.
  exactly: (column, list) => `CAST(CONVERT(${column} USING utf8mb4) AS BINARY) IN (${list})`,
  epochMs: (placeholder) => placeholder,
  isAbsent: (placeholder) => `${placeholder} IS NULL`,
  // Not INSERT IGNORE, which also stores what does not fit as something else.
  unlessTaken: () => '',
};
