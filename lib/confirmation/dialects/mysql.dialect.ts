import type { ConfirmationDialect } from './confirmation-dialect.js';

/** MariaDB and MySQL: no UPDATE ... RETURNING, and `=` that takes `LOGIN ` for `login`. */
export const mysqlDialect: ConfirmationDialect = {
  returning: () => '',
  exactly: (column, list) => `CAST(${column} AS BINARY) IN (${list})`,
  epochMs: (placeholder) => placeholder,
  // The values are checked before, so a taken key is all there is to ignore.
  insertUnlessTaken: (_, insert) => insert.replace('INSERT INTO', 'INSERT IGNORE INTO'),
  deleteSome: ({ table }, condition) => `DELETE FROM ${table} WHERE ${condition} LIMIT :limit`,
};
