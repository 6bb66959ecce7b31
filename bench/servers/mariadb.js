import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createConnection } from 'mysql2/promise';

import { freePort } from './free-port.js';

const TRIES = 600;
/** Where Debian has servers, and not everybody looks. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** A MariaDB of our own as it comes: its log is on the disk before it answers a commit; `null` where there is no server. */
export async function startMariadb(folder) {
  if (!isInstalled()) return null;
  const datadir = join(folder, 'mariadb');
  // It refuses to be root unless it is told to.
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const usual = ['--no-defaults', `--datadir=${datadir}`, ...user];
  const install = ['--auth-root-authentication-method=normal', '--skip-test-db'];
  execFileSync('mariadb-install-db', [...usual, ...install], { env, stdio: 'pipe' });
  const port = await freePort();
  // The path of a socket may not be long: this one begins at the data.
  const reach = ['--bind-address=127.0.0.1', `--port=${port}`, '--socket=socket'];
  const server = spawn('mariadbd', [...usual, ...reach], { env, stdio: 'ignore' });
  process.on('exit', () => server.kill());
  const admin = await connected(server, port);
  const query = async (sql, values) => (await admin.query(sql, values))[0];
  const [{ version }] = await query('SELECT version() AS version');
  return {
    type: 'mariadb',
    version,
    pid: server.pid,
    url: (database) => `mysql://root@127.0.0.1:${port}/${database}`,
    /** A new database, with the tables of another one if that is given. */
    create: async (database, template) => {
      await query(`DROP DATABASE IF EXISTS ${database}`);
      await query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
      if (template === undefined) return;
      const tables = await query(
        'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ?',
        [template],
      );
      for (const { name } of tables) {
        await query(`CREATE TABLE ${database}.${name} LIKE ${template}.${name}`);
      }
    },
    stop: async () => {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      await admin.end();
      server.kill();
      await gone;
    },
  };
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

async function connected(server, port) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await createConnection({ host: '127.0.0.1', port, user: 'root' });
    } catch (error) {
      if (attempt === TRIES || server.exitCode !== null) {
        server.kill();
        throw new Error('MariaDB did not start.', { cause: error });
      }
      await sleep(50);
    }
  }
}
