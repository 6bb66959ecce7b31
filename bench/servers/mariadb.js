import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { freePort } from './free-port.js';
import { startMysqlServer } from './mysql-server.js';

/** Where Debian has servers, and not everybody looks. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** A MariaDB of our own as it comes: its log is on the disk before it answers a commit; `null` where there is no server. */
export async function startMariadb(folder) {
  if (!isInstalled()) return null;
  const datadir = join(folder, 'mariadb');
  // MariaDB refuses to run as root without this option.
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const usual = ['--no-defaults', `--datadir=${datadir}`, ...user];
  const install = ['--auth-root-authentication-method=normal', '--skip-test-db'];
  execFileSync('mariadb-install-db', [...usual, ...install], { env, stdio: 'pipe' });
  const port = await freePort();
  // The path of a socket may not be long: this one begins at the data.
  const reach = ['--bind-address=127.0.0.1', `--port=${port}`, '--socket=socket'];
  return startMysqlServer({ command: 'mariadbd', args: [...usual, ...reach], env, port });
}

function isInstalled() {
  try {
    execFileSync('mariadbd', ['--version'], { env, stdio: 'ignore' });
    return true;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}
