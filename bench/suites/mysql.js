import { startMysql } from '../servers/mysql.js';
import { runOn } from './mariadb.js';

/** The contenders of MariaDB on MySQL. Its server is there for this part alone. */
export async function run(bench) {
  const mysql = await startMysql(bench.folder);
  if (mysql === null) {
    const text = 'Absent: run `bash test/support/mysql-server.sh install` first.';
    return { title: 'MySQL', text };
  }
  return runOn('MySQL', mysql, bench);
}
