import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { freePort } from './free-port.js';
import { startMysqlServer } from './mysql-server.js';

/** Where `test/support/mysql-server.sh install` puts a MySQL. */
const ROOT = join(process.env.TEST_MYSQL_FOLDER ?? '/tmp/two-factor-mysql', 'root');
const LIBRARIES = join(ROOT, 'usr/lib/x86_64-linux-gnu');
const LOADER = join(LIBRARIES, 'ld-linux-x86-64.so.2');

/** A MySQL of our own as it comes, with its binary log, synced at each commit; `null` where there is no server. */
export async function startMysql(folder) {
  if (!existsSync(LOADER)) return null;
  const datadir = join(folder, 'mysql');
  mkdirSync(datadir);
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const usual = [
    '--library-path',
    LIBRARIES,
    join(ROOT, 'usr/sbin/mysqld'),
    '--no-defaults',
    ...user,
    `--datadir=${datadir}`,
    `--lc-messages-dir=${join(ROOT, 'usr/share/mysql')}`,
  ];
  execFileSync(LOADER, [...usual, '--initialize-insecure'], { stdio: 'pipe' });
  const port = await freePort();
  // Debian's mysqld wants a folder of its package for files, which is not installed.
  const reach = [
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--socket=socket',
    '--mysqlx=OFF',
    '--secure-file-priv=NULL',
  ];
  return startMysqlServer({ command: LOADER, args: [...usual, ...reach], port });
}
