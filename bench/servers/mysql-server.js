import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

import { createConnection } from 'mysql2/promise';

const TRIES = 600;

/**
 * A server of MariaDB or MySQL on a port of this machine, whose root has no password.
 *
 * @param {{ command: string, args: readonly string[], env?: NodeJS.ProcessEnv, port: number }} how
 */
export async function startMysqlServer({ command, args, env = process.env, port }) {
  const server = spawn(command, args, { env, stdio: 'ignore' });
  process.on('exit', () => server.kill());
  const admin = await connected(server, port);
  const query = async (sql, values) => (await admin.query(sql, values))[0];
  const [{ version }] = await query('SELECT version() AS version');
  return {
    // TypeORM's driver is the same for both, and the package asks the server which one it is.
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

async function connected(server, port) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await createConnection({ host: '127.0.0.1', port, user: 'root' });
    } catch (error) {
      if (attempt === TRIES || server.exitCode !== null) {
        server.kill();
        throw new Error(`${server.spawnfile} did not start.`, { cause: error });
      }
      await sleep(50);
    }
  }
}
