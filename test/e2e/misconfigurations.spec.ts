// Each of the mistakes in docs/misconfigurations.md is made in a real application, and stops it with the sentence that
// stands there: docs and code cannot differ.
import { describe, expect, it, vi } from 'vitest';

import {
  TwoFactorConfigurationError,
  TwoFactorError,
  TwoFactorInputError,
  twoFactorMigrations,
  TwoFactorService,
  type PurposeDefinition,
} from '../../lib/index.js';
import {
  assertSaid,
  boot,
  email,
  endAfterEach,
  errorOf,
  rows,
  stopped,
} from './misconfigured-application.js';
import {
  linesAt,
  PigeonPostBackend,
  PLANTS,
  purposes,
  saidOfFactors,
  saidOfMissingSignIn,
  SmsModule,
  start,
} from './planted-misconfigurations.js';

endAfterEach();

describe('docs/misconfigurations.md', () => {
  it('has a row for every mistake that is planted here, and no other', () => {
    expect(rows.map(({ number }) => String(number))).toEqual(Object.keys(PLANTS));
  });

  it.each(rows)('documents number $number in one sentence with a remedy', ({ sentence }) => {
    expect(sentence).toMatch(/^[A-Z].*[:;] (and )?[a-z]+ .+\.$/);
    expect(sentence).not.toMatch(/[.!?]["')]?\s+[A-Z]/);
  });

  it.each(rows)('reports number $number with the documented sentence', async (row) => {
    const plant = PLANTS[row.number]!;
    if (row.number === 6) {
      vi.doMock('nodemailer', () => {
        throw new Error("Cannot find package 'nodemailer'");
      });
    }
    if (plant.said) {
      assertSaid(await plant.said(), row, plant);
      return;
    }
    const error = await stopped(plant, row);

    assertSaid(error.message, row, plant);
    expect(error).toBeInstanceOf(
      row.number === 23 ? TwoFactorInputError : TwoFactorConfigurationError,
    );
  });

  it('reports number 8, a sign-in guard that does not run first, as a warning in development, once for each purpose', async () => {
    vi.stubEnv('NODE_ENV', 'development');
    const { transfer } = purposes;
    const app = await start({
      options: { controller: true, purposes: { transfer, 'transfer-abroad': transfer } },
    });
    const warnings = linesAt('warn');
    const details = linesAt('debug');
    for (const purpose of ['transfer', 'transfer', 'transfer-abroad', 'transfer']) {
      const body = { purpose, details: { amount: '10.00' } };
      expect((await app.post('/2factor/request-confirmation', body)).status).toBe(403);
    }

    const row = rows.find(({ number }) => number === 8)!;
    const said = warnings.map((line) => line.split(' TwoFactorNoSubjectError: ')[1]);
    const abroad = row.sentence.replace('"transfer"', '"transfer-abroad"');
    expect(said).toEqual([row.sentence, abroad]);
    expect(details.filter((line) => line.includes(row.sentence))).toHaveLength(2);
  });

  it('does not warn in production of number 8, a sign-in guard that does not run first', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    const warnings = linesAt('warn');
    await saidOfMissingSignIn();
    expect(warnings.filter((line) => line.includes('returned nothing'))).toEqual([]);
  });

  it.each([undefined, '', 'staging'])(
    'reports number 9, a missing secret, with NODE_ENV=%s too',
    async (value) => {
      const row = rows.find(({ number }) => number === 9)!;
      const plant = { options: { secret: undefined }, environment: { NODE_ENV: value } };
      const error = await stopped(plant, row);
      expect(error).toBeInstanceOf(TwoFactorConfigurationError);
      assertSaid(error.message, row, plant);
    },
  );

  it('reports number 18, entities that are not loaded, also where no migration of this package is run', async () => {
    const row = rows.find(({ number }) => number === 18)!;
    const plant = { ...PLANTS[18], dataSource: { autoLoadEntities: false, migrations: [] } };
    const error = await stopped(plant, row);
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    assertSaid(error.message, row, plant);
  });

  it('reports number 1, a sender backend in no module, also where a purpose or a sender names that backend', async () => {
    const hint = `, or list ${PigeonPostBackend.name} under providers, which no module provides.`;
    const purposes = { '': { open: true as const, senders: ['pigeon-post'] } };
    const senders = { email, pigeon: { backend: 'pigeon-post' } };
    for (const options of [{ purposes }, { senders }]) {
      const { message } = await errorOf(boot({ options }));
      expect(message.slice(-hint.length)).toBe(hint);
    }
  });

  it('reports number 2, a missing data source, also for a data source of another name', async () => {
    const { message } = await errorOf(boot({ options: { dataSource: 'second' } }));
    expect(message).toBe(
      'TwoFactorModule finds no TypeORM data source of the name "second": import ' +
        "TypeOrmModule.forRoot({ ... }, 'second') in the root module.",
    );
  });

  it('warns of number 25, no proof of a first authenticator, where factors has a recipient and no method code, and not where a code or the session proves it', async () => {
    const { recipient } = purposes.transfer;
    expect(await saidOfFactors({ recipient, methods: ['totp'] })).toContain(
      "firstFactor: 'session'",
    );
    for (const factors of [
      { recipient },
      { recipient, methods: ['totp', 'code'] },
      { recipient, methods: () => ['code'] },
      { firstFactor: 'session' },
    ] satisfies Partial<PurposeDefinition>[]) {
      expect(await saidOfFactors(factors)).toBe('');
    }
  });

  it('leaves the failure of a data source to Nest', async () => {
    const dataSource = { type: 'sqljs', location: '/nowhere/\0', autoSave: true };
    const error: unknown = await boot({ dataSource }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(TwoFactorError);
  });

  it('takes the migrations as a list where they are one: spread, concatenated, or as they are', async () => {
    for (const migrations of [[].concat(twoFactorMigrations as never), twoFactorMigrations]) {
      expect(migrations).toHaveLength(4);
      const app = await boot({ dataSource: { migrations } });
      await expect(
        app.get(TwoFactorService).request({ token: 'ann@example.com' }),
      ).resolves.toHaveProperty('id');
    }
    expect(twoFactorMigrations.map(({ name }) => name)).toHaveLength(4);
  });

  it('is about mistakes: without one the application boots, and sends', async () => {
    const app = await boot({ imports: [SmsModule] });
    const service = app.get(TwoFactorService);
    await expect(service.request({ token: 'ann@example.com' })).resolves.toHaveProperty('id');
  });
});
