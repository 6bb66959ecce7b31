import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import mysql from 'mysql2/promise';
import { Client } from 'pg';
import type { DataSourceOptions } from 'typeorm';
import { inject } from 'vitest';

export type EngineName = 'postgres' | 'mariadb' | 'better-sqlite3' | 'sqljs';

/** What `global-setup.ts` found on this machine. */
export interface FoundEngines {
  /** Administrative URL of a PostgreSQL server. */
  postgres?: string;
  mariadb?: string;
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

/** A database of its own, empty. */
export interface TestDatabase {
  readonly engine: EngineName;
  readonly options: DataSourceOptions;
  drop(): Promise<void>;
}

export const found: FoundEngines = inject('engines');

/** The engines of this machine, for `describe.each(engines)`. */
const NAMES: readonly EngineName[] = ['postgres', 'mariadb', 'better-sqlite3', 'sqljs'];
export const engines = NAMES.filter((name) => name in found);

/** Those on which several connections meet. */
export const servers = engines.filter((name) => name === 'postgres' || name === 'mariadb');

export async function openDatabase(engine: EngineName): Promise<TestDatabase> {
  const name = `two_factor_test_${randomBytes(6).toString('hex')}`;
  switch (engine) {
    case 'postgres':
      return openPostgres(found.postgres!, name);
    case 'mariadb':
      return openMariadb(found.mariadb!, name);
    case 'better-sqlite3': {
      const folder = await mkdtemp(join(tmpdir(), name));
      const options = { type: engine, database: join(folder, 'test.sqlite') } as const;
      return { engine, options, drop: () => rm(folder, { recursive: true }) };
    }
    default:
      return { engine, options: { type: engine }, drop: async () => undefined };
  }
}

async function openPostgres(admin: string, name: string): Promise<TestDatabase> {
  const execute = async (sql: string): Promise<void> => {
    const client = new Client(admin);
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await execute(`CREATE DATABASE ${name}`);
  const url = new URL(admin);
  url.pathname = name;
  return {
    engine: 'postgres',
    options: { type: 'postgres', url: url.href, poolSize: 20 },
    drop: () => execute(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}

async function openMariadb(admin: string, name: string): Promise<TestDatabase> {
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
    engine: 'mariadb',
    options: { type: 'mariadb', url: url.href, poolSize: 20 },
    drop: () => execute(`DROP DATABASE ${name}`),
  };
}
