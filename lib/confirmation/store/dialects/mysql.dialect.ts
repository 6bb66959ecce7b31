import { MYSQL_ALL_ROWS, mysqlOnPrimary } from '../../../database/index.js';
import type { ConfirmationDialect } from './confirmation-dialect.js';

/** MariaDB and MySQL: no UPDATE ... RETURNING, and `=` that takes `LOGIN ` for `login`. */
export const mysqlDialect: ConfirmationDialect = {
  returning: () => '',
  // Converted first: in a latin1 column the same text has other bytes.
  exactly: (column, list) => `CAST(CONVERT(${column} USING utf8mb4) AS BINARY) IN (${list})`,
  // The servers refuse to compare columns whose collations differ (errno 1267), and read a whole table by a column of another character
  // set. What these functions return yields to the collation of a column, unlike CAST and CONVERT; it is an id, without a quote.
  asKey: (column) => `JSON_UNQUOTE(JSON_QUOTE(${column}))`,
  epochMs: (placeholder) => placeholder,
  isAbsent: (placeholder) => `${placeholder} IS NULL`,
  // As bytes: a comparison of texts takes SMS for sms.
  isAmong: (column, placeholder) =>
    `LOCATE(',', ${column}) = 0
      AND LOCATE(CAST(CONCAT(',', CONVERT(${column} USING utf8mb4), ',') AS BINARY), CAST(${placeholder} AS BINARY)) > 0`,
  allRows: MYSQL_ALL_ROWS,
  onPrimary: mysqlOnPrimary,
  // Not INSERT IGNORE, which also stores what does not fit as something else.
  unlessTaken: () => '',
};
