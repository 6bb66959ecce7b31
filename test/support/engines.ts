import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import mysql from 'mysql2/promise';
import { Client } from 'pg';
import type { DataSourceOptions } from 'typeorm';
import { inject } from 'vitest';

import { LEFT_OUT } from '../rounds.js';

export type EngineName = 'postgres' | 'mariadb' | 'mysql' | 'better-sqlite3' | 'sqljs';

/** What `global-setup.ts` found on this machine. */
export interface FoundEngines {
  /** Administrative URL of a PostgreSQL server. */
  postgres?: string;
  mariadb?: string;
  mysql?: string;
  'better-sqlite3'?: true;
  sqljs: true;
  redis?: string;
  /** Path of the program. */
  pgbouncer?: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    engines: FoundEngines;
  }
}

/**
 * The connections of one test application. A test often opens two applications, and three workers run side by side: 3 * 2 * 12 is 72, which
 * leaves room for the clients of the tests on a PostgreSQL that takes 100. With pools of 20, a run failed now and then with "too many clients".
 */
export const POOL_SIZE = 12;

/** A database of its own, empty. */
export interface TestDatabase {
  readonly engine: EngineName;
  readonly options: DataSourceOptions;
  drop(): Promise<void>;
}

export const found: FoundEngines = inject('engines');

const NAMES: readonly EngineName[] = ['postgres', 'mariadb', 'mysql', 'better-sqlite3', 'sqljs'];
/** The engines of this machine, for `describe.each(engines)`, without those that a round leaves out. */
export const engines = NAMES.filter((name) => name in found && !LEFT_OUT.includes(name));

/** Those on which several connections meet. */
export const servers = engines.filter(
  (name) => name === 'postgres' || name === 'mariadb' || name === 'mysql',
);

/** Those that speak MySQL's protocol and its SQL. */
export const mysqlServers = engines.filter((name) => name === 'mariadb' || name === 'mysql');

export async function openDatabase(engine: EngineName): Promise<TestDatabase> {
  const name = `two_factor_test_${randomBytes(6).toString('hex')}`;
  switch (engine) {
    case 'postgres':
      return openPostgres(found.postgres!, name);
    case 'mariadb':
    case 'mysql':
      return openMysql(engine, found[engine]!, name);
    case 'better-sqlite3': {
      const folder = await mkdtemp(join(tmpdir(), name));
      const options = { type: engine, database: join(folder, 'test.sqlite') } as const;
      return { engine, options, drop: () => rm(folder, { recursive: true }) };
    }
    default:
      return { engine, options: { type: engine }, drop: async () => undefined };
  }
}

/** @param creation Clauses of CREATE DATABASE. */
export async function openPostgres(
  admin: string,
  name: string,
  creation = '',
): Promise<TestDatabase> {
  const execute = async (sql: string): Promise<void> => {
    const client = new Client(admin);
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await execute(`CREATE DATABASE ${name} ${creation}`);
  const url = new URL(admin);
  url.pathname = name;
  return {
    engine: 'postgres',
    options: { type: 'postgres', url: url.href, poolSize: POOL_SIZE },
    drop: () => execute(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}

async function openMysql(
  engine: 'mariadb' | 'mysql',
  admin: string,
  name: string,
): Promise<TestDatabase> {
  const execute = async (sql: string): Promise<void> => {
    const connection = await mysql.createConnection(admin);
    try {
      await connection.query(sql);
    } finally {
      await connection.end();
    }
  };
  await execute(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  const url = new URL(admin);
  url.pathname = name;
  return {
    engine,
    options: { type: engine, url: url.href, poolSize: POOL_SIZE },
    drop: () => execute(`DROP DATABASE ${name}`),
  };
}
