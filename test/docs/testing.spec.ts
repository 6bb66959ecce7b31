import { ConsoleLogger } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { ConfirmerService, TWO_FACTOR_ENTITIES, TwoFactorService } from '../../lib/index.js';
import { TwoFactorTestingModule, type TestFramework } from '../../lib/testing/index.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/testing.md');
await writePage(page);

interface Tested {
  readonly module: TestingModule;
}

const { startApplication } = await load<{ startApplication: () => Promise<Tested> }>(
  page,
  'application.ts',
);
const tests = await load<Record<string, (application: Tested) => Promise<void>>>(
  page,
  'phones.spec.ts',
);
const { startAlone } = await load<{ startAlone: () => Promise<TestingModule> }>(page, 'alone.ts');
const { confirmsWithACookieOnExpress } = await load<{
  confirmsWithACookieOnExpress: () => Promise<void>;
}>(page, 'session.spec.ts');
const { confirmsByAnAppOnFastify } = await load<{ confirmsByAnAppOnFastify: () => Promise<void> }>(
  page,
  'app-code.spec.ts',
);
const { confirmsAPaymentByAPasskey } = await load<{
  confirmsAPaymentByAPasskey: () => Promise<void>;
}>(page, 'passkey.spec.ts');
const { emptyTables } = await load<{ emptyTables: (dataSource: DataSource) => Promise<void> }>(
  page,
  'empty-tables.ts',
);
const { contractOfSms } = await load<{ contractOfSms: (framework: TestFramework) => void }>(
  page,
  'sms.backend.spec.ts',
);

describe('Test your application', () => {
  let module: TestingModule | undefined;

  afterEach(async () => {
    await module?.close();
    module = undefined;
  });

  it.each(['provesANumberOnce', 'refusesALateCode', 'survivesASilentProvider'])(
    '%s',
    async (name) => {
      const application = await startApplication();
      ({ module } = application);

      const test = tests[name];
      expect(test).toBeTypeOf('function');
      await test?.(application);
    },
  );

  it('empties every table of the package', async () => {
    const application = await startApplication();
    ({ module } = application);
    const dataSource = module.get(DataSource);
    const tables = (await dataSource.query(
      "SELECT name FROM sqlite_master WHERE name LIKE 'two_factor_%' AND type = 'table'",
    )) as { name: string }[];
    const counts = (): Promise<number[]> =>
      Promise.all(
        tables.map(async ({ name }) => {
          const [row] = (await dataSource.query(`SELECT COUNT(*) AS n FROM ${name}`)) as {
            n: number;
          }[];
          return row!.n;
        }),
      );
    expect(tables).toHaveLength(TWO_FACTOR_ENTITIES.length);
    await module.get(TwoFactorService).request({ token: '+15555550123' });
    expect((await counts()).filter((rows) => rows > 0).length).toBeGreaterThan(1);

    await emptyTables(dataSource);

    expect(await counts()).toEqual(tables.map(() => 0));
  });

  it('confirms by the code 000001 when the testing module runs without an application', async () => {
    module = await startAlone();
    const { id } = await module.get(TwoFactorService).request({ token: 'ann@example.com' });

    expect((await module.get(ConfirmerService).confirm(id, '000001'))[1]).toBe(true);
  });

  it('confirms with the cookie of a session on Express, and not without it', () =>
    expect(confirmsWithACookieOnExpress()).resolves.toBeUndefined());

  it.each([true, false])(
    'has the reason of a refusal in the output when a logger is set (%s)',
    async (isSet) => {
      const builder = Test.createTestingModule({
        imports: [
          TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true, synchronize: true }),
          TwoFactorTestingModule.forRoot({ controller: true }),
        ],
      });
      if (isSet) builder.setLogger(new ConsoleLogger());
      module = await builder.compile();
      const app = module.createNestApplication();
      await app.init();

      const output = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      const body = { purpose: 'transfr', token: 'ann@example.com' };
      const { status } = await request(app.getHttpServer() as string)
        .post('/2factor/request-confirmation')
        .send(body);
      const written = output.mock.calls.join('\n');
      output.mockRestore();
      expect(status).toBe(400);
      expect(written.includes('There is no purpose "transfr".')).toBe(isSet);
      await app.close();
    },
  );

  it('confirms by an app on Fastify', () =>
    expect(confirmsByAnAppOnFastify()).resolves.toBeUndefined());

  it('confirms a payment by a passkey, and refuses one that was signed on another page', () =>
    expect(confirmsAPaymentByAPasskey()).resolves.toBeUndefined());
});

contractOfSms({ describe, it });
