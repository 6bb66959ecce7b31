import { DataSource, DefaultNamingStrategy, type DataSourceOptions } from 'typeorm';
import { describe, expect, it } from 'vitest';

import { TWO_FACTOR_ENTITIES, twoFactorMigrations } from '../../lib/index.js';
import { engines, openDatabase, type EngineName } from '../support/engines.js';
import { startApp } from '../support/test-app.js';

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

describe.each(engines)('Without the migrations on %s', (engine) => {
  it('refuse the first call with the advice to run the migrations when they were not run', async () => {
    const test = await startApp({ engine, dataSource: { migrationsRun: false } });

    await expect(test.confirmer.makeConfirmation()).rejects.toThrow(/run the migrations/);
    await test.close();
  });
});
