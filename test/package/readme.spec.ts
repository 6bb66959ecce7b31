// The README's files are written out, type-checked as a reader's project would be, and run.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { Logger, type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import request from 'supertest';
import { DataSource } from 'typeorm';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import * as publicApi from '../../lib/index.js';
import { resolveOptions } from '../../lib/options/index.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { SECRET } from '../support/test-app.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, '.tmp/readme');
const BLOCK = /^```ts\n\/\/ (\S+)\n([\s\S]*?)^```$/gm;

const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
const files = new Map(
  [...readme.matchAll(BLOCK)].map(([, name, source]) => [name ?? '', source ?? '']),
);

const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  useDefineForClassFields: false,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
  types: ['node'],
  paths: {
    'nestjs-two-factor': [join(ROOT, 'lib/index.ts')],
    'nestjs-two-factor/backends/email': [join(ROOT, 'lib/backends/email/index.ts')],
    'nestjs-two-factor/testing': [join(ROOT, 'lib/testing/index.ts')],
    'nestjs-two-factor/*': [join(ROOT, 'lib/adapters/*/index.ts')],
  },
};

async function load(name: string): Promise<Record<string, Type<object>>> {
  return import(/* @vite-ignore */ pathToFileURL(join(FOLDER, name.replace(/ts$/, 'js'))).href);
}

beforeAll(async () => {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, 'package.json'), '{ "type": "module" }');
  for (const [name, source] of files) {
    await writeFile(join(FOLDER, name), source);
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { ...COMPILER_OPTIONS, module: ts.ModuleKind.ESNext, noEmit: false },
    });
    await writeFile(join(FOLDER, name.replace(/ts$/, 'js')), outputText);
  }
});

describe("The README's TypeScript", () => {
  it('is all in named files', () => {
    expect(readme.match(/^```ts$/gm)).toHaveLength(files.size);
    expect([...files.keys()]).toContain('app.module.ts');
  });

  it('compiles under strict and exactOptionalPropertyTypes', () => {
    const program = ts.createProgram(
      [...files.keys()].map((name) => join(FOLDER, name)),
      COMPILER_OPTIONS,
    );
    const complaints = ts
      .getPreEmitDiagnostics(program)
      .filter(({ file }) => file?.fileName.startsWith(FOLDER))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));

    expect(complaints).toEqual([]);
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
    const { AppModule } = await load('app.module.ts');
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
    const { twoFactor } = (await load('options.ts')) as unknown as { twoFactor: DynamicModule };
    const module = await Test.createTestingModule({
      imports: [TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true }), twoFactor],
    }).compile();
    app = module.createNestApplication();
    await app.init();

    expect(app.get<publicApi.SenderBackends>(publicApi.SENDER_BACKENDS).has('default')).toBe(true);
  });

  it('phones.spec.ts proves a number once', async () => {
    const { provesANumber } = (await load('phones.spec.ts')) as unknown as {
      provesANumber: () => Promise<boolean>;
    };

    expect(await provesANumber()).toBe(true);
  });

  it('app.spec.ts reads the code of an application that has its own module', async () => {
    const { readsTheCode } = (await load('app.spec.ts')) as unknown as {
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
    await load('sms.backend.spec.ts');
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
      const { BankModule } = await load('bank.module.ts');
      const { SmsGateway } = await load('sms.backend.ts');
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
      (name) => !['keyRing', 'secretIsRandom', 'developmentFeatures'].includes(name),
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
      if (['secretIsRandom', 'developmentFeatures'].includes(name)) continue;
      const row = readme.split('\n').find((line) => cells(line)[1] === `\`${name}\``);
      expect(row && cells(row)[2]?.replaceAll('`', ''), name).toBe(String(value));
    }
  });
});
