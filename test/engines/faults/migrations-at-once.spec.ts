// Four processes start at once, each with migrationsRun: true.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { DataSource } from 'typeorm';
import { describe, expect, it } from 'vitest';

import { TWO_FACTOR_ENTITIES, twoFactorMigrations } from '../../../lib/index.js';
import { interceptStatements } from '../../support/intercept-statements.js';
import { openDatabase, servers, type TestDatabase } from '../../support/engines.js';
import { SECRET } from '../../support/test-app.js';

const PROCESSES = 4;
const WORKER = fileURLToPath(new URL('migrating-worker.ts', import.meta.url));
const LAUNCH = `
  import { runnerImport } from 'vite';
  await runnerImport(process.argv[1], { configFile: false, logLevel: 'error' });
`;

/** Runs the processes, and lets them go on when all have arrived. @returns how each ended. */
async function outcomesOf(database: TestDatabase, kind: string): Promise<string[]> {
  let arrived = 0;
  const children = Array.from({ length: PROCESSES }, () =>
    spawn(process.execPath, ['--input-type=module', '--eval', LAUNCH, WORKER], {
      env: {
        ...process.env,
        DATABASE: JSON.stringify(database.options),
        SECRET,
        KIND: kind,
        NODE_ENV: 'production',
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
  );
  return Promise.all(
    children.map(
      (child) =>
        new Promise<string>((resolve) => {
          child.once('exit', () => resolve('it ended'));
          child.on('message', (message: string) => {
            if (message !== 'arrived') {
              resolve(message);
              return;
            }
            arrived += 1;
            if (arrived === PROCESSES) for (const each of children) each.send('go');
          });
        }),
    ),
  );
}

/** A database in which the application has run migrations before, so that TypeORM's own table is there. */
async function withMigrationsTable(
  engine: (typeof servers)[number],
  isolation?: string,
): Promise<TestDatabase> {
  const database = await openDatabase(engine);
  class Earlier1000000000001 {
    name = 'Earlier1000000000001';
    async up(): Promise<void> {}
    async down(): Promise<void> {}
  }
  const migrations = [Earlier1000000000001];
  const dataSource = new DataSource({ ...database.options, migrations });
  await dataSource.initialize();
  await dataSource.runMigrations();
  if (isolation !== undefined) {
    const { database: name } = dataSource.driver;
    await dataSource.query(
      `ALTER DATABASE ${name} SET default_transaction_isolation = '${isolation}'`,
    );
  }
  await dataSource.destroy();
  return database;
}

const ALL = Array.from({ length: PROCESSES }, () => 'works');

describe.each(servers)('Migrations of four processes at once on %s', (engine) => {
  it('each of them finds the tables made, where a naive migration fails', async () => {
    const database = await withMigrationsTable(engine);

    expect(await outcomesOf(database, 'naive')).not.toEqual(ALL);
    expect(await outcomesOf(database, 'ours')).toEqual(ALL);

    await database.drop();
  });

  it.each(engine === 'postgres' ? ['repeatable read', 'serializable'] : [])(
    'each of them finds the tables made where transactions are %s by default',
    async (isolation) => {
      const database = await withMigrationsTable(engine, isolation);

      expect(await outcomesOf(database, 'ours')).toEqual(ALL);

      await database.drop();
    },
  );

  it('four applications in an empty database work after the retries of Nest', async () => {
    const database = await openDatabase(engine);

    expect(await outcomesOf(database, 'application')).toEqual(ALL);

    await database.drop();
  });

  it.each(engine === 'postgres' ? [] : [0, null])(
    'are refused with the remedy when the lock of the migrations is answered with %s',
    async (answer) => {
      const database = await openDatabase(engine);
      const dataSource = await new DataSource({
        ...database.options,
        entities: [...TWO_FACTOR_ENTITIES],
        migrations: [...twoFactorMigrations],
      }).initialize();
      // 0 comes after a wait of a minute, and NULL from a server that could not wait.
      interceptStatements(dataSource, (sql, run) =>
        sql.startsWith('SELECT GET_LOCK') ? run(`SELECT ${answer} AS isLocked`) : run(),
      );

      await expect(dataSource.runMigrations()).rejects.toThrow(
        /The lock two_factor_migrations was not free .*SELECT IS_USED_LOCK\('two_factor_migrations'\) names/,
      );
      expect(await dataSource.query("SHOW TABLES LIKE 'two_factor%'")).toEqual([]);

      await dataSource.destroy();
      await database.drop();
    },
  );

  it('a table that a crash has left unrecorded is taken, and another one of its name is refused with the remedy', async () => {
    const database = await openDatabase(engine);
    const dataSource = await new DataSource({
      ...database.options,
      entities: [...TWO_FACTOR_ENTITIES],
      migrations: [...twoFactorMigrations],
    }).initialize();
    await dataSource.runMigrations();
    await dataSource.query('DELETE FROM migrations');

    const factors = dataSource.getMetadata('two_factor_factor').tablePath;
    const runner = dataSource.createQueryRunner();
    const indicesOf = async (): Promise<string[]> =>
      (await runner.getTable(factors))!.indices
        .map(({ columnNames, isUnique }) => `${columnNames.join()} ${isUnique}`)
        .toSorted();
    const complete = await indicesOf();
    const { indices } = (await runner.getTable(factors))!;
    await runner.dropIndex(factors, indices[0]!);

    expect(await dataSource.runMigrations()).toHaveLength(4);
    expect(complete).toEqual(['handle true', 'subject_key false']);
    expect(await indicesOf()).toEqual(complete);
    await runner.release();

    await dataSource.query('DELETE FROM migrations');
    await dataSource.query('ALTER TABLE two_factor_limit DROP COLUMN owner');
    await expect(dataSource.runMigrations()).rejects.toThrow(
      /a table .*two_factor_limit already, and it lacks the columns owner: rename or drop it/,
    );
    await dataSource.destroy();
    await database.drop();
  });
});
