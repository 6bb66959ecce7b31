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
import { CANARY_FOLDER } from './canaries.js';

const LOCAL_POSTGRES = 'postgres://postgres@127.0.0.1:5432/postgres';
const LOCAL_MARIADB = 'mysql://root@127.0.0.1:3306/';
const LOCAL_REDIS = 'redis://127.0.0.1:6379';

/** Engines that must not be left out, separated by commas: `.ci/run` names them all. */
const required = (process.env['TEST_REQUIRED_ENGINES'] ?? '').split(',').filter(Boolean);

/** Looks for the engines, starts an embedded PostgreSQL where there is no server, and says what is left out. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await rm(CANARY_FOLDER, { recursive: true, force: true });
  const engines: FoundEngines = { sqljs: true };
  const notes: string[] = [];
  let stop = nothing;

  const postgres = process.env['TEST_POSTGRES_URL'] ?? LOCAL_POSTGRES;
  if (await answers(() => pingPostgres(postgres))) engines.postgres = postgres;
  else {
    const embedded = await startEmbeddedPostgres();
    if (embedded) {
      engines.postgres = embedded.url;
      stop = embedded.stop;
      notes.push('PostgreSQL is the embedded one');
    } else notes.push('PostgreSQL is left out (no server, no embedded-postgres)');
  }
  const mariadb = process.env['TEST_MARIADB_URL'] ?? LOCAL_MARIADB;
  if (await answers(() => pingMariadb(mariadb))) engines.mariadb = mariadb;
  else notes.push('MariaDB is left out (no server at TEST_MARIADB_URL or 127.0.0.1:3306)');
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

async function nothing(): Promise<void> {}

async function answers(ping: () => Promise<void>): Promise<boolean> {
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

async function pingPostgres(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  await client.connect();
  await client.end();
}

async function pingMariadb(uri: string): Promise<void> {
  const connection = await mysql.createConnection({ uri, connectTimeout: 2_000 });
  await connection.end();
}

async function pingRedis(url: string): Promise<void> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 2_000,
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
