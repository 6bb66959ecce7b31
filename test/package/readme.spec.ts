// The README's files are written out, type-checked as a reader's project would be, and run.
import { Logger, type DynamicModule, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import * as publicApi from '../../lib/index.js';
import { resolveOptions } from '../../lib/options/index.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { complaintsOf, load, readPage, strayCodeOf, writePage } from '../support/snippets.js';
import { SECRET } from '../support/test-app.js';

const page = await readPage('README.md');
const { text: readme, files } = page;

beforeAll(() => writePage(page));

describe("The README's TypeScript", () => {
  it('is all in named files', () => {
    expect(strayCodeOf(page)).toEqual([]);
    expect([...files.keys()]).toContain('app.module.ts');
  });

  it('compiles under strict and exactOptionalPropertyTypes', () => {
    expect(complaintsOf([page])).toEqual([]);
  }, 120_000);
});

describe('The README, run', () => {
  let app: INestApplication | undefined;

  afterEach(async () => {
    await app?.close();
    app = undefined;
    vi.restoreAllMocks();
  });

  const post = (path: string, body: object) =>
    request(app!.getHttpServer() as string)
      .post(path)
      .send(body);

  it('app.module.ts sends a code to the log and confirms it', async () => {
    const { AppModule } = await load(page, 'app.module.ts');
    const module = await Test.createTestingModule({ imports: [AppModule!] }).compile();
    app = module.createNestApplication();
    await app.init();
    const lines: string[] = [];
    vi.spyOn(Logger.prototype, 'log').mockImplementation((line: unknown) => {
      lines.push(String(line));
    });

    const asked = await post('/2factor/request-confirmation', { token: 'ann@example.com' });
    expect(asked.body).toMatchObject({ attemptsLeft: 5, codeLength: 6 });
    expect((asked.body as { maskedToken: string }).maskedToken).toBe('a***@e***.com');
    const { id } = asked.body as { id: string };
    const code = /default to ann@example\.com: (\d{6})$/.exec(lines.at(-1) ?? '')?.[1] ?? '';
    const spaced = `${code.slice(0, 3)} ${code.slice(3)}`;
    const confirmed = await post('/2factor/confirm', { id, code: spaced });

    expect(confirmed.body).toEqual({ id, confirmed: true });
  });

  it('options.ts makes the options in a class', async () => {
    const { twoFactor } = await load<{ twoFactor: DynamicModule }>(page, 'options.ts');
    const module = await Test.createTestingModule({
      imports: [TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true }), twoFactor],
    }).compile();
    app = module.createNestApplication();
    await app.init();

    expect(app.get<publicApi.SenderBackends>(publicApi.SENDER_BACKENDS).has('default')).toBe(true);
  });

  it('phones.spec.ts proves a number once', async () => {
    const { provesANumber } = await load<{ provesANumber: () => Promise<boolean> }>(
      page,
      'phones.spec.ts',
    );

    expect(await provesANumber()).toBe(true);
  });

  it('app.spec.ts reads the code of an application that has its own module', async () => {
    const { readsTheCode } = (await load(page, 'app.spec.ts')) as unknown as {
      readsTheCode: () => Promise<string>;
    };

    expect(await readsTheCode()).toMatch(/^\d{6}$/);
  });

  it('sms.backend.spec.ts holds the backend to its contract', async () => {
    const tests: (() => Promise<void>)[] = [];
    // It names node:test, whose tests would run outside of this one.
    vi.doMock('node:test', () => ({
      describe: (_: string, body: () => void) => body(),
      it: (_: string, body: () => Promise<void>) => tests.push(body),
    }));
    await load(page, 'sms.backend.spec.ts');
    vi.doUnmock('node:test');

    expect(tests).toHaveLength(8);
    for (const test of tests) await test();
  });

  describe.each(engines.filter((engine) => engine === 'postgres'))('on %s', (engine) => {
    let database: TestDatabase;
    const variables = ['DATABASE_URL', 'TWO_FACTOR_SECRET'] as const;

    beforeAll(async () => {
      database = await openDatabase(engine);
      process.env['DATABASE_URL'] = 'url' in database.options ? database.options.url : '';
      process.env['TWO_FACTOR_SECRET'] = SECRET;
    });
    afterAll(async () => {
      for (const name of variables) delete process.env[name];
      await database.drop();
    });

    it('bank.module.ts changes a phone number and makes a transfer, each on one proof', async () => {
      const { BankModule } = await load(page, 'bank.module.ts');
      const { SmsGateway } = await load(page, 'sms.backend.ts');
      const module = await Test.createTestingModule({ imports: [BankModule!] }).compile();
      app = module.createNestApplication();
      const user = { id: 'ann', email: 'ann@bank.example', phone: '+15555550100' };
      app.use((request: { user?: object }, _: unknown, next: () => void) => {
        request.user = user;
        next();
      });
      await app.init();
      // The reader's own migration.
      await app
        .get(DataSource)
        .query('CREATE TABLE transfer (id varchar(36) PRIMARY KEY, amount varchar, payee varchar)');
      const { sent } = app.get(SmsGateway!) as { sent: { to: string; text: string }[] };
      const lastCode = (): string => /^\d{6}/.exec(sent.at(-1)?.text ?? '')?.[0] ?? '';
      const confirm = (id: string) =>
        post('/api/v1/auth/2factor/confirm', { id, code: lastCode() }).expect(200);

      const asked = await post('/phones/ask', { phone: '+15555550123' }).expect(201);
      const { id } = asked.body as { id: string };
      await post('/phones/change', { confirmation: id }).expect(409);
      await confirm(id);
      const changed = await post('/phones/change', { confirmation: id }).expect(201);
      expect(changed.body).toEqual({ phone: '+15555550123' });
      await post('/phones/change', { confirmation: id }).expect(409);
      await post('/phones/ask', { phone: 'not a number' }).expect(422);

      const details = { amount: '10.00', payee: 'bob' };
      const stepUp = await post('/api/v1/auth/2factor/request-confirmation', {
        purpose: 'transfer',
        details,
      }).expect(200);
      expect(sent.at(-1)?.to).toBe(user.phone);
      const proof = (stepUp.body as { id: string }).id;
      await confirm(proof);
      const transfer = (body: object) => post('/transfers', body).set('X-Confirmation-Id', proof);
      await transfer({ ...details, amount: '10000.00' }).expect(403);
      await transfer(details).expect(201);
      await transfer(details).expect(409);
      await post('/transfers', details).expect(403);
    });
  });
});

describe("The README's tables", () => {
  const cells = (line: string): string[] => line.split(/(?<!\\)\|/).map((cell) => cell.trim());
  const firstCells = readme
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => cells(line)[1]?.replaceAll('`', '') ?? '');

  it('name every error class and every option, and no other', () => {
    const errors = Object.keys(publicApi).filter(
      (name) => name.endsWith('Error') && name !== 'TwoFactorError',
    );
    const options = Object.keys(resolveOptions({ secret: SECRET }, { NODE_ENV: 'test' })).filter(
      (name) =>
        !['keyRing', 'secretIsRandom', 'secretIsReplaced', 'developmentFeatures'].includes(name),
    );

    expect(firstCells).toEqual(expect.arrayContaining(errors));
    expect(firstCells).toEqual(expect.arrayContaining([...options, 'secret', 'secrets', 'env']));
    const named = firstCells.filter((name) => /^TwoFactor\w+Error$/.test(name));
    expect(new Set(named)).toEqual(new Set(errors));
  });

  it('tell the defaults that the options have', () => {
    const resolved = resolveOptions({ secret: SECRET }, { NODE_ENV: 'test' });
    for (const [name, value] of Object.entries(resolved)) {
      if (typeof value !== 'number' && typeof value !== 'boolean') continue;
      if (['secretIsRandom', 'secretIsReplaced', 'developmentFeatures'].includes(name)) continue;
      const row = readme.split('\n').find((line) => cells(line)[1] === `\`${name}\``);
      expect(row && cells(row)[2]?.replaceAll('`', ''), name).toBe(String(value));
    }
  });
});
