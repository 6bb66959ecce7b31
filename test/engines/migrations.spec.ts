import { randomBytes } from 'node:crypto';

import { DataSource, DefaultNamingStrategy, type DataSourceOptions } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TWO_FACTOR_ENTITIES, twoFactorMigrations } from '../../lib/index.js';
import { engines, openDatabase, type EngineName, type TestDatabase } from '../support/engines.js';
import { SECRET, startApp } from '../support/test-app.js';

/** Names as another house writes them, whatever the entity asks for. */
class ShoutingNames extends DefaultNamingStrategy {
  override tableName(target: string, custom: string | undefined): string {
    return `T_${super.tableName(target, custom)}`.toUpperCase();
  }

  override columnName(property: string, custom: string | undefined, prefixes: string[]): string {
    return `C_${super.columnName(property, custom ?? '', prefixes)}`.toUpperCase();
  }
}

interface Names {
  readonly named: string;
  readonly options: Partial<DataSourceOptions>;
  readonly only?: EngineName;
}

const NAMES: readonly Names[] = [
  { named: 'default names', options: {} },
  { named: 'another naming strategy', options: { namingStrategy: new ShoutingNames() } },
  { named: 'an entity prefix', options: { entityPrefix: 'bank_' } },
  { named: 'a schema', options: { schema: 'vault' }, only: 'postgres' },
  {
    named: 'all of them',
    options: { schema: 'vault', entityPrefix: 'bank_', namingStrategy: new ShoutingNames() },
    only: 'postgres',
  },
];

const cases = engines.flatMap((engine) =>
  NAMES.filter(({ only }) => only === undefined || only === engine).map((names) => ({
    engine,
    ...names,
  })),
);

async function schemaDifference(dataSource: DataSource): Promise<string[]> {
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
  return upQueries.map(({ query }) => query);
}

describe.each(cases)('Migrations on $engine with $named', ({ engine, options }) => {
  it('leave no difference to the entities, serve a confirmation from creation to use, and can be reverted', async () => {
    const database = await openDatabase(engine);
    const entities = [...TWO_FACTOR_ENTITIES];
    const dataSource = new DataSource({
      ...database.options,
      ...options,
      entities,
      migrations: [...twoFactorMigrations],
    } as DataSourceOptions);
    await dataSource.initialize();
    try {
      if ('schema' in options) await dataSource.query('CREATE SCHEMA vault');
      expect(await schemaDifference(dataSource)).not.toEqual([]);
      await dataSource.runMigrations();
      expect(await schemaDifference(dataSource)).toEqual([]);
      await dataSource.undoLastMigration();
      expect(await schemaDifference(dataSource)).not.toEqual([]);
      await dataSource.runMigrations();

      if (engine !== 'sqljs') {
        const test = await startApp({ engine, database, dataSource: options });
        const { state } = await test.twoFactor.request({
          token: 'ann@example.com',
          meta: { a: 1 },
        });
        expect((await test.confirmer.confirm(state.id, test.inbox.lastCode))[1]).toBe(true);
        expect(await test.confirmer.use(state)).toBe(true);
        test.clock.advance(90_000);
        expect(await test.confirmer.purge()).toBe(1);
        await test.close();
      }
    } finally {
      await dataSource.destroy();
      await database.drop();
    }
  });
});

describe.each(engines.filter((engine) => engine === 'postgres'))('The table on %s', (engine) => {
  it('leaves room on its pages for updates', async () => {
    const test = await startApp({ engine });

    const rows: unknown = await test.dataSource.query(
      `SELECT reloptions FROM pg_class WHERE relname = 'two_factor_confirmation'`,
    );

    expect(rows).toEqual([{ reloptions: ['fillfactor=50'] }]);
    await test.close();
  });
});

describe.each(engines.filter((engine) => engine === 'postgres'))(
  'Tables and views of the same names, on %s',
  (engine) => {
    const TABLE = 'two_factor_confirmation';
    const REPEATABLE = '-c default_transaction_isolation=repeatable\\ read';

    let database: TestDatabase;
    let sources: DataSource[];
    beforeEach(async () => {
      database = await openDatabase(engine);
      sources = [];
    });
    afterEach(async () => {
      for (const source of sources) await source.destroy();
      await database.drop();
    });

    const open = async (options: string, username?: string): Promise<DataSource> => {
      const url = new URL((database.options as { url: string }).url);
      if (username !== undefined) [url.username, url.password] = [username, SECRET];
      const source = new DataSource({
        ...database.options,
        url: url.href,
        extra: { options },
        entities: [...TWO_FACTOR_ENTITIES],
        migrations: [...twoFactorMigrations],
      } as DataSourceOptions);
      sources.push(await source.initialize());
      return source;
    };

    it.each(['', REPEATABLE])(
      'creates the tables in the first schema of the search path when another schema of it has tables of these names (%s)',
      async (isolation) => {
        const other = await open('');
        await other.runMigrations();
        await other.query('CREATE SCHEMA tenant');
        const tenant = await open(`-c search_path=tenant,public ${isolation}`);

        await tenant.runMigrations();

        const tables: { name: string }[] = await tenant.query(
          `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'tenant' AND tablename LIKE 'two_factor%' ORDER BY 1`,
        );
        expect(tables.map(({ name }) => name)).toEqual([
          TABLE,
          'two_factor_delivery',
          'two_factor_factor',
          'two_factor_limit',
        ]);
      },
    );

    it.each(['', REPEATABLE])(
      'refuses a view with the name and the columns of a table, and records no migration (%s)',
      async (isolation) => {
        const admin = await open('');
        await admin.runMigrations();
        await admin.query('DELETE FROM migrations');
        await admin.query(`ALTER TABLE ${TABLE} RENAME TO elsewhere`);
        await admin.query(`CREATE VIEW ${TABLE} AS SELECT * FROM elsewhere`);

        await expect((await open(isolation)).runMigrations()).rejects.toThrow(
          /There is a view public\.two_factor_confirmation where a table .*rename or drop it/,
        );
        expect(await admin.query('SELECT * FROM migrations')).toEqual([]);
      },
    );

    it.each(['', REPEATABLE])(
      'refuses a table that its user may not read and write, and records no migration (%s)',
      async (isolation) => {
        const role = `tenant_${randomBytes(6).toString('hex')}`;
        const admin = await open('');
        await admin.runMigrations();
        await admin.query('DELETE FROM migrations');
        await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${SECRET}'`);
        try {
          await admin.query(`GRANT CREATE ON SCHEMA public TO ${role}`);
          await admin.query(`GRANT ALL ON migrations, migrations_id_seq TO ${role}`);

          await expect((await open(isolation, role)).runMigrations()).rejects.toThrow(
            /table public\.two_factor_confirmation already, which the user .*may not read and write: grant/,
          );
          expect(await admin.query('SELECT * FROM migrations')).toEqual([]);
        } finally {
          await admin.query(`DROP OWNED BY ${role}`);
          await admin.query(`DROP ROLE ${role}`);
        }
      },
    );
  },
);

describe.each(engines)('Without the migrations on %s', (engine) => {
  it('refuse the first call with the advice to run the migrations when they were not run', async () => {
    const test = await startApp({ engine, dataSource: { migrationsRun: false } });

    await expect(test.confirmer.makeConfirmation()).rejects.toThrow(/run the migrations/);
    await test.close();
  });
});
