// An application of this package with a database of its own on the local PostgreSQL, for the benchmarks of single features.
import { randomBytes } from 'node:crypto';

import { Client } from 'pg';

import { importFromRoot } from './import-from-root.js';

await importFromRoot('reflect-metadata');
const { Module } = await importFromRoot('@nestjs/common');
const { NestFactory } = await importFromRoot('@nestjs/core');
const { TypeOrmModule } = await importFromRoot('@nestjs/typeorm');

const ADMIN = process.env.TEST_POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
/** The connections of each contender. */
export const POOL = 10;

async function withAdmin(work) {
  const client = new Client(ADMIN);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Creates the database anew. Returns its address and the version of the server. */
export function createDatabase(name) {
  return withAdmin(async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${name}`);
    const { rows } = await client.query('SHOW server_version');
    const url = new URL(ADMIN);
    url.pathname = `/${name}`;
    return { url: url.href, version: rows[0].server_version };
  });
}

export function dropDatabase(name) {
  return withAdmin((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
}

/** Starts an application with these options. The package is loaded here, because it reads NODE_ENV, which its caller sets before. */
export async function startApplication(url, options) {
  const { TwoFactorModule, twoFactorMigrations } = await import('../../dist/index.js');
  class ApplicationModule {}
  Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        poolSize: POOL,
        autoLoadEntities: true,
        migrations: [...twoFactorMigrations],
        migrationsRun: true,
      }),
      TwoFactorModule.forRoot({
        secret: randomBytes(32).toString('base64'),
        env: false,
        autoPurge: false,
        ...options,
      }),
    ],
  })(ApplicationModule);
  return NestFactory.createApplicationContext(ApplicationModule, { logger: ['fatal', 'error'] });
}
