import { randomBytes } from 'node:crypto';

import mysql from 'mysql2/promise';
import { Client } from 'pg';

/** A server on which applications of the matrix run, beside the database in memory. */
export interface Server {
  /** The name of TypeORM's driver. */
  readonly name: string;
  /** Executes a statement as the administrator. */
  readonly execute: (sql: string) => Promise<unknown>;
  /** The URL of a database of this server, with the name of the driver as its scheme. */
  readonly urlOf: (database: string) => string;
}

const { env } = process;
const SERVERS: readonly Server[] = [
  server('postgres', env['TEST_POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'),
  server('mariadb', env['TEST_MARIADB_URL'] ?? 'mysql://root@127.0.0.1:3306/'),
  server('mysql', env['TEST_MYSQL_URL'] ?? 'mysql://root@127.0.0.1:3307/'),
];
/** Servers that must not be left out, separated by commas: `.ci/run` names them all. */
const required = (env['TEST_REQUIRED_ENGINES'] ?? '').split(',');

/**
 * The servers that answer on this machine.
 *
 * @throws for a required one that does not.
 */
export async function answeringServers(): Promise<readonly Server[]> {
  const answering: Server[] = [];
  for (const each of SERVERS) {
    try {
      await each.execute('SELECT 1');
      answering.push(each);
    } catch (cause) {
      if (required.includes(each.name)) throw new Error(`${each.name} does not answer.`, { cause });
    }
  }
  return answering;
}

/** Does some work with a database of its own, which is dropped afterwards. */
export async function withDatabase(
  { execute, urlOf }: Server,
  work: (url: string) => Promise<unknown>,
): Promise<void> {
  const name = `two_factor_matrix_${randomBytes(6).toString('hex')}`;
  await execute(`CREATE DATABASE ${name}`);
  try {
    await work(urlOf(name));
  } finally {
    await execute(`DROP DATABASE ${name}`);
  }
}

function server(name: string, admin: string): Server {
  return {
    name,
    execute: (sql) => (name === 'postgres' ? onPostgres(admin, sql) : onMysql(admin, sql)),
    urlOf: (database) => {
      const url = new URL(admin);
      url.pathname = database;
      return url.href.replace(url.protocol, `${name}:`);
    },
  };
}

async function onPostgres(admin: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: admin, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

async function onMysql(uri: string, sql: string): Promise<unknown> {
  const connection = await mysql.createConnection({ uri, connectTimeout: 5_000 });
  try {
    return await connection.query(sql);
  } finally {
    await connection.end();
  }
}
