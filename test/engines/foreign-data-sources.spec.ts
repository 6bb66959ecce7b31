// Data sources that are not the plain one of TypeOrmModule: initialized later, behind a Proxy, or chosen for each tenant.
import { AsyncLocalStorage } from 'node:async_hooks';

import { Test } from '@nestjs/testing';
import { ConsoleLogger, type INestApplicationContext } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  ConfirmerService,
  TWO_FACTOR_ENTITIES,
  TwoFactorConfigurationError,
  TwoFactorModule,
  twoFactorMigrations,
} from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { engines, openDatabase, type EngineName } from '../support/engines.js';
import { SECRET, startApp } from '../support/test-app.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function initialized(engine: EngineName): Promise<DataSource> {
  const database = await openDatabase(engine);
  ends.push(() => database.drop());
  const dataSource = await new DataSource({
    ...database.options,
    entities: [...TWO_FACTOR_ENTITIES],
    migrations: [...twoFactorMigrations],
    migrationsRun: true,
  }).initialize();
  ends.push(() => (dataSource.isInitialized ? dataSource.destroy() : Promise.resolve()));
  return dataSource;
}

/** An application on a data source that it makes itself. */
async function startOn(dataSource: DataSource): Promise<INestApplicationContext> {
  const module = await Test.createTestingModule({
    imports: [
      TypeOrmModule.forRootAsync({
        useFactory: () => ({ retryAttempts: 0 }),
        dataSourceFactory: async () => dataSource,
      }),
      TwoFactorModule.forRoot({
        secret: SECRET,
        codeGenerator: drawCanaryCode,
        senders: { default: { backend: () => () => undefined } },
        autoPurge: false,
      }),
    ],
  })
    .setLogger(new ConsoleLogger({ logLevels: [] }))
    .compile();
  const app = await module.init();
  ends.push(() => app.close());
  return app;
}

const recordsOf = (dataSource: DataSource): Promise<number> =>
  dataSource.getRepository(ConfirmationRecord).count();

describe.each(engines)('On %s', (engine) => {
  it('manualInitialization is refused at boot with the remedy', async () => {
    const boot = startApp({ engine, dataSource: { manualInitialization: true } as object });

    await expect(boot).rejects.toThrow(TwoFactorConfigurationError);
    await expect(boot).rejects.toThrow(
      /not initialized .*: leave manualInitialization out .* dataSourceFactory that initializes/,
    );
  });

  it('a data source that the application has initialized itself works', async () => {
    const app = await startOn(await initialized(engine));
    const confirmer = app.get(ConfirmerService);
    const state = await confirmer.makeConfirmation();

    expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(true);
  });

  it('a data source behind a Proxy works, also in a transaction of the data source behind it', async () => {
    const dataSource = await initialized(engine);
    const app = await startOn(new Proxy(dataSource, {}));
    const confirmer = app.get(ConfirmerService);
    const state = await confirmer.makeConfirmation({ isConfirmed: true });

    const uses = await dataSource.transaction(async (manager) => [
      await confirmer.use(state, { manager }),
      await confirmer.use(state, { manager }),
    ]);

    expect(uses).toEqual([true, false]);
  });

  it('a data source that is chosen for each tenant serves the one of the boot, and refuses all others with the remedy', async () => {
    const [ours, theirs] = [await initialized(engine), await initialized(engine)];
    const tenant = new AsyncLocalStorage<DataSource>();
    const chosen = new Proxy(ours, {
      get: (_, name): unknown => {
        const target = tenant.getStore() ?? ours;
        return Reflect.get(target, name, target);
      },
    });
    const confirmer = (await startOn(chosen)).get(ConfirmerService);
    const make = (): Promise<unknown> =>
      confirmer.makeConfirmation({ isConfirmed: true }).then(
        () => 'made',
        (error: unknown) => error,
      );

    // At once, so that calls of both would share a batch.
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0 ? make() : tenant.run(theirs, make),
      ),
    );

    for (const [index, outcome] of outcomes.entries()) {
      if (index % 2 === 0) {
        expect(outcome).toBe('made');
      } else {
        expect(outcome).toBeInstanceOf(TwoFactorConfigurationError);
        expect((outcome as Error).message).toMatch(/chosen for each request or tenant.*Import Two/);
      }
    }
    expect([await recordsOf(ours), await recordsOf(theirs)]).toEqual([10, 0]);
    // In a transaction of another tenant nothing is used either.
    const state = await confirmer.makeConfirmation({ isConfirmed: true });
    await expect(
      theirs.transaction((manager) => confirmer.use(state, { manager })),
    ).rejects.toThrow(/another data source/);
  });
});
