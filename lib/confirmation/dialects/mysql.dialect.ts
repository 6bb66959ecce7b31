import type { ConfirmationDialect } from './confirmation-dialect.js';

/** MariaDB and MySQL: no UPDATE ... RETURNING, and `=` that takes `LOGIN ` for `login`. */
export const mysqlDialect: ConfirmationDialect = {
  returning: () => '',
  exactly: (column, list) => `CAST(${column} AS BINARY) IN (${list})`,
  epochMs: (placeholder) => placeholder,
  // The answer carries the insert id: 1 exactly when this very statement came by here, whatever happens to the row before
  // it is read.
  reported: (epochMs) => `${epochMs} * LAST_INSERT_ID(1)`,
  // The values are checked before, so a taken key is all there is to ignore.
  insertUnlessTaken: (_, insert) => insert.replace('INSERT INTO', 'INSERT IGNORE INTO'),
  deleteSome: ({ table }, condition) => `DELETE FROM ${table} WHERE ${condition} LIMIT :limit`,
};
