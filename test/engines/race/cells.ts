import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import mysql from 'mysql2/promise';
import { Client } from 'pg';
import type { DataSourceOptions } from 'typeorm';

import { startEmbeddedPostgres } from '../../support/embedded-postgres.js';
import { startPgbouncer } from '../../support/pgbouncer.js';
import type { Opening } from './protocol.js';

/** Where the processes meet: an engine in one of its set-ups. */
export interface Cell {
  readonly engine: string;
  readonly isolation: string;
  /** Its names in TEST_REQUIRED_ENGINES. */
  readonly needs: readonly string[];
  open(): Promise<OpenCell | Skipped>;
}

export interface Skipped {
  readonly skipped: string;
  /** The engine is there and has no such mode: that is no mistake of the machine. */
  readonly isMissingMode: boolean;
}

export interface OpenCell {
  readonly version: string;
  /** The database for the application that makes and looks after the confirmations. */
  readonly director: DataSourceOptions;
  readonly opening: Omit<Opening, 'limits'>;
  /** How many rows another writer has left by now, where there is one. */
  readonly noise?: (query: (sql: string) => Promise<unknown>) => Promise<number>;
  /** Starts what needs the tables. */
  begin(): Promise<void>;
  close(): Promise<void>;
}

/** Connections of each process. */
const CONNECTIONS = 10;

const absent = (skipped: string): Skipped => ({ skipped, isMissingMode: false });
const nothing = async (): Promise<void> => undefined;

export const CELLS: readonly Cell[] = [
  postgres('read committed'),
  postgres('repeatable read'),
  postgres('serializable'),
  pgbouncer(),
  mariadb('REPEATABLE-READ', false),
  mariadb('SERIALIZABLE', false),
  mariadb('REPEATABLE-READ', true),
  mysqlCell('READ-COMMITTED'),
  mysqlCell('REPEATABLE-READ'),
  sqlite(),
];

let embedded: ReturnType<typeof startEmbeddedPostgres> | undefined;

/** Ends the server that was started where there was none. */
export async function endServers(): Promise<void> {
  await (await embedded)?.stop();
}

async function adminOfPostgres(): Promise<string | null> {
  const url = process.env['TEST_POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres';
  try {
    await askPostgres(url, 'SELECT 1');
    return url;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ECONNREFUSED') throw error;
  }
  embedded ??= startEmbeddedPostgres();
  return (await embedded)?.url ?? null;
}

async function askPostgres(url: string, sql: string): Promise<string> {
  const client = new Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return Object.values(rows[0] ?? {}).join(' ');
  } finally {
    await client.end();
  }
}

/** A database of its own, in which a commit does not wait for the disk: what is tested is who sees what. */
async function createPostgres(
  admin: string,
): Promise<{ url: string; version: string; drop: () => Promise<void> }> {
  const name = `two_factor_race_${randomBytes(6).toString('hex')}`;
  await askPostgres(admin, `CREATE DATABASE ${name}`);
  await askPostgres(admin, `ALTER DATABASE ${name} SET synchronous_commit = off`);
  const version = await askPostgres(admin, 'SHOW server_version');
  const url = new URL(admin);
  url.pathname = name;
  return {
    url: url.href,
    version: `PostgreSQL ${version}`,
    drop: async () => {
      await askPostgres(admin, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

function postgres(isolation: string): Cell {
  return {
    engine: 'PostgreSQL',
    isolation: isolation.toUpperCase(),
    needs: ['postgres'],
    async open() {
      const admin = await adminOfPostgres();
      if (admin === null) return absent('no server');
      const { url, version, drop } = await createPostgres(admin);
      const options = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`;
      return {
        version,
        director: { type: 'postgres', url, poolSize: 4 },
        opening: {
          dataSource: { type: 'postgres', url, poolSize: 1, extra: { options } },
          applications: CONNECTIONS,
          session: [],
          proof: { sql: 'SHOW transaction_isolation', answer: isolation },
        },
        begin: nothing,
        close: drop,
      };
    },
  };
}

function pgbouncer(): Cell {
  return {
    engine: 'PostgreSQL behind pgbouncer',
    isolation: 'READ COMMITTED',
    needs: ['postgres', 'pgbouncer'],
    async open() {
      const admin = await adminOfPostgres();
      const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) =>
        existsSync(path),
      );
      if (admin === null || program === undefined) return absent('no server or no pgbouncer');
      const { url, version, drop } = await createPostgres(admin);
      const pooler = await startPgbouncer(program, url);
      return {
        version: `${version} behind pgbouncer in transaction mode, 4 server connections`,
        director: { type: 'postgres', url, poolSize: 4 },
        opening: {
          dataSource: { type: 'postgres', url: pooler.url, poolSize: 1 },
          applications: CONNECTIONS,
          session: [],
          proof: { sql: 'SHOW transaction_isolation', answer: 'read committed' },
        },
        begin: nothing,
        close: async () => {
          await pooler.stop();
          await drop();
        },
      };
    },
  };
}

function mariadb(isolation: string, hasSnapshotIsolation: boolean): Cell {
  const words = isolation.replace('-', ' ');
  return {
    engine: 'MariaDB',
    isolation: hasSnapshotIsolation ? `${words}, innodb_snapshot_isolation=ON` : words,
    needs: ['mariadb'],
    async open() {
      const admin = process.env['TEST_MARIADB_URL'] ?? 'mysql://root@127.0.0.1:3306/';
      const name = `two_factor_race_${randomBytes(6).toString('hex')}`;
      let version: string;
      let snapshot: string;
      try {
        version = await askMysql(admin, 'SELECT version()');
        snapshot = await askMysql(admin, "SHOW VARIABLES LIKE 'innodb_snapshot_isolation'");
      } catch (error) {
        if ((error as { code?: string }).code !== 'ECONNREFUSED') throw error;
        return absent('no server');
      }
      if (hasSnapshotIsolation && snapshot === '') {
        const skipped = `${version} has no innodb_snapshot_isolation`;
        return { skipped, isMissingMode: true };
      }
      await askMysql(admin, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
      const url = new URL(admin);
      url.pathname = name;
      const isOn = hasSnapshotIsolation ? 1 : 0;
      const isKnown = snapshot !== '';
      return {
        version: `MariaDB ${version}`,
        director: { type: 'mariadb', url: url.href, poolSize: 4 },
        opening: {
          dataSource: { type: 'mariadb', url: url.href, poolSize: 1 },
          applications: CONNECTIONS,
          // mysql2 cannot say it while it connects; each pool has one connection, which stays.
          session: [
            `SET SESSION TRANSACTION ISOLATION LEVEL ${words}`,
            ...(isKnown ? [`SET SESSION innodb_snapshot_isolation = ${isOn}`] : []),
          ],
          proof: {
            sql: `SELECT @@tx_isolation AS a${isKnown ? ', @@innodb_snapshot_isolation AS b' : ''}`,
            answer: isKnown ? `${isolation} ${isOn}` : isolation,
          },
        },
        begin: nothing,
        close: async () => {
          await askMysql(admin, `DROP DATABASE ${name}`);
        },
      };
    },
  };
}

function mysqlCell(isolation: string): Cell {
  const words = isolation.replace('-', ' ');
  return {
    engine: 'MySQL',
    isolation: words,
    needs: ['mysql'],
    async open() {
      const admin = process.env['TEST_MYSQL_URL'] ?? 'mysql://root@127.0.0.1:3307/';
      const name = `two_factor_race_${randomBytes(6).toString('hex')}`;
      let version: string;
      try {
        version = await askMysql(admin, 'SELECT version()');
      } catch (error) {
        if ((error as { code?: string }).code !== 'ECONNREFUSED') throw error;
        return absent('no server');
      }
      await askMysql(admin, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
      const url = new URL(admin);
      url.pathname = name;
      return {
        version: `MySQL ${version}`,
        director: { type: 'mysql', url: url.href, poolSize: 4 },
        opening: {
          dataSource: { type: 'mysql', url: url.href, poolSize: 1 },
          applications: CONNECTIONS,
          // mysql2 cannot say it while it connects; each pool has one connection, which stays.
          session: [`SET SESSION TRANSACTION ISOLATION LEVEL ${words}`],
          proof: { sql: 'SELECT @@transaction_isolation AS a', answer: isolation },
        },
        begin: nothing,
        close: async () => {
          await askMysql(admin, `DROP DATABASE ${name}`);
        },
      };
    },
  };
}

async function askMysql(admin: string, sql: string): Promise<string> {
  const connection = await mysql.createConnection(admin);
  try {
    const [rows] = await connection.query(sql);
    const [row] = Array.isArray(rows) ? rows : [];
    return Object.values(row ?? {}).join(' ');
  } finally {
    await connection.end();
  }
}

function sqlite(): Cell {
  return {
    engine: 'SQLite',
    isolation: 'WAL',
    needs: ['better-sqlite3'],
    async open() {
      if (!hasBetterSqlite3()) return absent('better-sqlite3 is not installed');
      const folder = await mkdtemp(join(tmpdir(), 'two-factor-race-'));
      const dataSource: DataSourceOptions = {
        type: 'better-sqlite3',
        database: join(folder, 'race.sqlite'),
        enableWAL: true,
        timeout: 5_000,
      };
      let writer: ReturnType<typeof fork> | undefined;
      return {
        version: 'SQLite by better-sqlite3, WAL, busy_timeout 5 s, with a noise writer',
        director: dataSource,
        opening: {
          dataSource,
          // A second connection in the same thread would wait for the first with the thread.
          applications: 1,
          session: [],
          proof: { sql: 'PRAGMA journal_mode', answer: 'wal' },
        },
        noise: async (query) => {
          const rows = await query('SELECT count(*) AS number FROM race_noise');
          return Number((rows as { number: number }[])[0]?.number);
        },
        begin: async () => {
          writer = fork(new URL('noise.js', import.meta.url), [JSON.stringify(dataSource)]);
        },
        close: async () => {
          writer?.kill('SIGKILL');
          await rm(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

function hasBetterSqlite3(): boolean {
  try {
    const Database = createRequire(import.meta.url)('better-sqlite3') as new (path: string) => {
      close(): void;
    };
    new Database(':memory:').close();
    return true;
  } catch {
    return false;
  }
}
