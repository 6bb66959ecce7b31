import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

import { Redis } from 'ioredis';
import mysql from 'mysql2/promise';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';

import type { FoundEngines } from './engines.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { ownServers } from './own-servers.js';
import { CANARY_FOLDER } from './canaries.js';

const LOCAL_POSTGRES = 'postgres://postgres@127.0.0.1:5432/postgres';
const LOCAL_MARIADB = 'mysql://root@127.0.0.1:3306/';
/** Where test/support/mysql-server.sh starts one. */
const LOCAL_MYSQL = 'mysql://root@127.0.0.1:3307/';
/** Three workers with pools of 12, twice where a test opens two applications, and the tests' own clients. */
const NEEDED_CONNECTIONS = 80;
const LOCAL_REDIS = 'redis://127.0.0.1:6379';
/** Long, because the tests of an engine that does not answer in this time are left out. A server that is not there refuses at once. */
const CONNECT_MS = 20_000;

/**
 * Whether the run has servers of its own, whatever connections the others have free. `.ci/run` sets it for the second of two rounds that run
 * side by side: both would find the same free connections when they start, and use them up together.
 */
const hasOwnServers = process.env['TEST_OWN_SERVERS'] === 'true';

/** Engines that must not be left out, separated by commas: `.ci/run` names them all. */
const required = (process.env['TEST_REQUIRED_ENGINES'] ?? '').split(',').filter(Boolean);

/** Looks for the engines, starts an embedded PostgreSQL where there is no server, and says what is left out. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await rm(CANARY_FOLDER, { recursive: true, force: true });
  const engines: FoundEngines = { sqljs: true };
  const notes: string[] = [];
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops) await each();
  };
  const postgres = process.env['TEST_POSTGRES_URL'] ?? LOCAL_POSTGRES;
  const own = await ownPostgresUnless(await freeConnections(() => freePostgres(postgres)));
  if (own) {
    engines.postgres = own.url;
    stops.push(own.stop);
    notes.push(own.note);
  } else if (await answers(() => freePostgres(postgres))) engines.postgres = postgres;
  else notes.push('PostgreSQL is left out (no server, no embedded-postgres)');
  const mariadb = process.env['TEST_MARIADB_URL'] ?? LOCAL_MARIADB;
  const ownMariadb = await ownMysqlUnless(
    'mariadb',
    await freeConnections(() => freeConnectionsOf(mariadb)),
  );
  if (ownMariadb) {
    engines.mariadb = ownMariadb.url;
    stops.push(ownMariadb.stop);
    notes.push(ownMariadb.note);
  } else if (await answers(() => freeConnectionsOf(mariadb))) engines.mariadb = mariadb;
  else notes.push('MariaDB is left out (no server at TEST_MARIADB_URL or 127.0.0.1:3306)');
  const mysqlServer = process.env['TEST_MYSQL_URL'] ?? LOCAL_MYSQL;
  const ownMysql = await ownMysqlUnless(
    'mysql',
    await freeConnections(() => freeConnectionsOf(mysqlServer)),
  );
  if (ownMysql) {
    engines.mysql = ownMysql.url;
    stops.push(ownMysql.stop);
    notes.push(ownMysql.note);
  } else if (await answers(() => freeConnectionsOf(mysqlServer))) engines.mysql = mysqlServer;
  else {
    notes.push(
      'MySQL is left out (no server at TEST_MYSQL_URL or 127.0.0.1:3307, and none that test/support/mysql-server.sh unpacked)',
    );
  }
  if (hasBetterSqlite3()) engines['better-sqlite3'] = true;
  else notes.push('better-sqlite3 is left out (not installed)');

  const redis = process.env['TEST_REDIS_URL'] ?? LOCAL_REDIS;
  if (await answers(() => pingRedis(redis))) engines.redis = redis;
  else notes.push('Redis is left out (no server at TEST_REDIS_URL or 127.0.0.1:6379)');

  const pgbouncer = findPgbouncer();
  if (pgbouncer) engines.pgbouncer = pgbouncer;
  else notes.push('pgbouncer is left out (not installed)');

  const missing = required.filter((name) => !(name in engines));
  if (missing.length > 0) {
    await stop();
    throw new Error(`Required engines are missing: ${missing.join(', ')}. ${notes.join('; ')}.`);
  }
  process.stdout.write(
    `Engines: ${Object.keys(engines).join(', ')}.${notes.length > 0 ? ` Note: ${notes.join('; ')}.` : ''}\n`,
  );
  project.provide('engines', engines);
  return stop;
}

interface StartedServer {
  readonly url: string;
  readonly note: string;
  readonly stop: () => Promise<void>;
}

/**
 * Starts a PostgreSQL of our own when the server on the standard port is down, or when other clients hold so many of its
 * connections that a run of the tests would fail with "too many connections".
 *
 * @param free free connections of the server on the standard port; `null` when it does not answer.
 */
async function ownPostgresUnless(free: number | null): Promise<StartedServer | null> {
  if (free !== null && free >= NEEDED_CONNECTIONS) return null;
  if (free !== null) {
    const program = ownServers.find(({ engine }) => engine === 'postgres');
    const server = await program?.launch(['-c', 'max_connections=300']);
    if (!server) return null;
    const { port } = new URL(server.url);
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      note: `PostgreSQL is one of our own (the other had ${free} free connections)`,
      stop: server.close,
    };
  }
  const embedded = await startEmbeddedPostgres();
  return embedded && { ...embedded, note: 'PostgreSQL is the embedded one' };
}

/**
 * As `ownPostgresUnless`. A MySQL is started also where none answers, because `test/support/mysql-server.sh install` unpacks one that
 * nothing else starts. There is no embedded MariaDB.
 */
async function ownMysqlUnless(
  engine: 'mariadb' | 'mysql',
  free: number | null,
): Promise<StartedServer | null> {
  if (free === null ? engine === 'mariadb' : free >= NEEDED_CONNECTIONS) return null;
  const program = ownServers.find((own) => own.engine === engine);
  const server = await program?.launch(['--max-connections=300']);
  if (!server) return null;
  const { port } = new URL(server.url);
  const reason = free === null ? 'no other runs' : `the other had ${free} free connections`;
  return {
    url: `mysql://root@127.0.0.1:${port}/`,
    note: `${engine === 'mysql' ? 'MySQL' : 'MariaDB'} is one of our own (${reason})`,
    stop: server.close,
  };
}

/** `null` when the server does not answer; 0 when it answers that it has no connection left. */
async function freeConnections(ask: () => Promise<number>): Promise<number | null> {
  try {
    const free = await ask();
    return hasOwnServers ? 0 : free;
  } catch (error) {
    const { code, errno } = error as { code?: string; errno?: number };
    if (code === '53300' || errno === 1040) return 0;
    return (await answers(ask)) ? await ask() : null;
  }
}

async function answers(ping: () => Promise<unknown>): Promise<boolean> {
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      await ping();
      return true;
    } catch (error) {
      // A server that is still starting answers soon; one that is not there refuses at once.
      if ((error as { code?: string }).code === 'ECONNREFUSED') return false;
      await sleep(500);
    }
  }
  return false;
}

/** How many more clients the server takes. */
async function freePostgres(url: string): Promise<number> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  await client.connect();
  try {
    const { rows } = await client.query<{ free: number }>(
      `SELECT current_setting('max_connections')::int - count(*)::int AS free
        FROM pg_stat_activity WHERE backend_type = 'client backend'`,
    );
    return rows[0]?.free ?? 0;
  } finally {
    await client.end();
  }
}

/** How many more clients the server takes. */
async function freeConnectionsOf(uri: string): Promise<number> {
  const connection = await mysql.createConnection({ uri, connectTimeout: CONNECT_MS });
  try {
    const [rows] = await connection.query<mysql.RowDataPacket[]>(
      "SHOW GLOBAL STATUS LIKE 'Threads_connected'",
    );
    const [limits] = await connection.query<mysql.RowDataPacket[]>(
      'SELECT @@max_connections AS connections',
    );
    return Number(limits[0]?.['connections'] ?? 0) - Number(rows[0]?.['Value'] ?? 0);
  } finally {
    await connection.end();
  }
}

async function pingRedis(url: string): Promise<void> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    retryStrategy: () => null,
  });
  // `connect` rejects with "Connection is closed", whatever closed it.
  let cause: Error | undefined;
  client.on('error', (error) => (cause = error));
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    throw cause ?? error;
  } finally {
    client.disconnect();
  }
}

function findPgbouncer(): string | undefined {
  return ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path));
}

function hasBetterSqlite3(): boolean {
  try {
    const require = createRequire(new URL('../engines/package.json', import.meta.url));
    const Database = require('better-sqlite3') as new (path: string) => { close(): void };
    new Database(':memory:').close();
    return true;
  } catch {
    return false;
  }
}
