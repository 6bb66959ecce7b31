/**
 * A SELECT of MySQL and MariaDB that a read/write splitting proxy, such as MaxScale and ProxySQL, sends to the primary: it ends
 * with FOR UPDATE. A replica may be behind, and not have a confirmation yet that was made a moment ago. FOR UPDATE does not
 * reach into the derived table, so that the statement locks no row and waits for none.
 *
 * @param orderBy the column by which the rows of a `select` with a limit come in order: a derived table promises none.
 */
export function mysqlOnPrimary(select: string, orderBy?: string): string {
  const order = orderBy === undefined ? '' : ` ORDER BY ${orderBy}`;
  return `SELECT * FROM (${select}) AS found${order} FOR UPDATE`;
}

/**
 * Ends an UPDATE or a DELETE of MySQL and MariaDB that may read all rows of a small table. With `sql_safe_updates` the servers
 * refuse such a statement unless it has a limit. The greatest number of MySQL, 2^64-1, is none to it.
 */
export const MYSQL_ALL_ROWS = 'LIMIT 9223372036854775807';
