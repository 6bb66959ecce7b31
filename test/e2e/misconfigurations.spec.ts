// Each of the mistakes in docs/misconfigurations.md is made in a real application, and stops it with the sentence that
// stands there: docs and code cannot differ.
import { readFile } from 'node:fs/promises';

import {
  Controller,
  Injectable,
  Logger,
  Module,
  Post,
  Scope,
  type ExecutionContext,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { IsString, MaxLength } from 'class-validator';
import request from 'supertest';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import {
  defineSender,
  RequireConfirmation,
  SenderBackend,
  totp,
  TWO_FACTOR_ENTITIES,
  TwoFactorConfigurationError,
  TwoFactorError,
  TwoFactorInputError,
  twoFactorMigrations,
  TwoFactorModule,
  TwoFactorService,
  type PurposeDefinition,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
import { startHttpApp, type HttpTestApp, type HttpTestAppInput } from '../support/http.js';
import { secretOf } from '../support/secret.js';
import { SECRET } from '../support/test-app.js';

interface Row {
  readonly number: number;
  readonly when: string;
  readonly sentence: string;
}

const page = await readFile(new URL('../../docs/misconfigurations.md', import.meta.url), 'utf8');
const rows: readonly Row[] = page
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => /^\d+$/.test(cells[1] ?? ''))
  .map(([, number, , when = '', said = '']) => ({
    number: Number(number),
    when,
    sentence: said.replaceAll(/^`|`$/g, ''),
  }));

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.doUnmock('nodemailer');
  vi.restoreAllMocks();
  for (const end of ends.splice(0).toReversed()) await end();
});

@SenderBackend('sms')
class SmsBackend implements SenderBackend {
  send(): void {}
}

@SenderBackend('sms')
class OtherSms extends SmsBackend {}

/** In no module. */
@SenderBackend('pigeon-post')
class PigeonPostBackend extends SmsBackend {}

@Injectable({ scope: Scope.REQUEST })
class PerRequest extends SmsBackend {}

@Module({ providers: [SmsBackend] })
class SmsModule {}

@Module({ providers: [OtherSms] })
class OtherModule {}

class TransferDetails {
  @IsString()
  @MaxLength(12)
  amount!: string;
}

@Controller('transfers')
class TransferController {
  @Post()
  @RequireConfirmation('transfer')
  transfer(): void {}
}

const email = { backend: () => () => undefined };

interface Plant {
  readonly options?: TwoFactorModuleOptions & TwoFactorModuleExtras;
  /** What a factory returns, instead of `options`. */
  readonly returned?: object;
  readonly imports?: readonly Type[];
  readonly dataSource?: object;
  readonly isWithoutDataSource?: boolean;
  readonly database?: TestDatabase;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What the first call asks for. */
  readonly way?: string;
  /** Makes the mistake in another way, and answers what is said. */
  readonly said?: () => Promise<string>;
  /** What stands in angle brackets. */
  readonly words?: RegExp;
}

const PRODUCTION = { NODE_ENV: 'production' };

const purposes = {
  transfer: {
    subject: (context: ExecutionContext): string | undefined =>
      context.switchToHttp().getRequest<{ user?: string }>().user,
    recipient: () => 'ann@example.com',
    details: TransferDetails,
  },
};
const signIn = (call: { user?: string }, _: unknown, next: () => void): void => {
  call.user = 'ann';
  next();
};

/** The lines of the log at one level, as they come. */
function linesAt(level: 'debug' | 'error' | 'warn'): string[] {
  const lines: string[] = [];
  vi.spyOn(Logger.prototype, level).mockImplementation((line: unknown) => {
    lines.push(String(line));
  });
  return lines;
}

/** The sentence of a logged refusal. */
function sentenceIn(lines: readonly string[], name: string): string {
  const [, said] = lines.map((line) => line.split(` ${name}: `)).find((parts) => parts[1])!;
  return said!;
}

async function start(input: HttpTestAppInput): Promise<HttpTestApp> {
  const app = await startHttpApp(input);
  ends.push(() => app.close());
  return app;
}

async function saidOfUnparsedBody(): Promise<string> {
  const app = await start({
    options: { controller: true, purposes },
    controllers: [TransferController],
    appOptions: { bodyParser: false },
    configure: (nest) => nest.use(signIn),
  });
  const details = { amount: '10.00' };
  // The routes of the package read their own bodies.
  const { id, code } = await app.request({ purpose: 'transfer', details });
  expect((await app.post('/2factor/confirm', { id, code })).status).toBe(200);
  const lines = linesAt('error');
  const { status } = await app.post('/transfers', details, { 'x-confirmation-id': id });
  expect(status).toBe(500);
  return sentenceIn(lines, 'TwoFactorConfigurationError');
}

async function saidOfMisspeltPurpose(): Promise<string> {
  @Controller('transfers')
  class TransferController {
    @Post()
    @RequireConfirmation('transfr')
    transfer(): void {}
  }
  const input = { options: { purposes }, controllers: [TransferController] };
  return (await errorOf(startHttpApp(input))).message;
}

async function saidOfUnobtainableProof(): Promise<string> {
  @Controller('transfers')
  class TransferController {
    @Post()
    @RequireConfirmation('transfer', { confirmedBy: ['passkey'] })
    transfer(): void {}
  }
  const input = { options: { purposes }, controllers: [TransferController] };
  return (await errorOf(startHttpApp(input))).message;
}

async function saidOfMissingSignIn(): Promise<string> {
  const app = await start({ options: { controller: true, purposes } });
  const lines = linesAt('debug');
  const body = { purpose: 'transfer', details: { amount: '10.00' } };
  const answer = await app.post('/2factor/request-confirmation', body);
  expect(answer).toMatchObject({ status: 403, body: { error: 'no-subject' } });
  return sentenceIn(lines, 'TwoFactorNoSubjectError');
}

async function saidOfWrongClock(): Promise<string> {
  const engine = engines.find((name) => name === 'postgres' || name === 'mariadb');
  if (engine === undefined) throw new Error('There is no server whose clock could differ.');
  const lines = linesAt('warn');
  await start({ engine, options: { clock: undefined } });
  expect(lines.filter((line) => line.startsWith('The clock'))).toEqual([]);
  const { now } = Date;
  const ahead = vi.spyOn(Date, 'now').mockImplementation(() => now() + 600_000);
  await start({ engine, options: { clock: undefined } });
  ahead.mockRestore();
  return lines.find((line) => line.startsWith('The clock')) ?? '';
}

async function saidOfTwoSecrets(): Promise<string> {
  const database = await openDatabase('better-sqlite3').catch(() => openDatabase('postgres'));
  ends.push(() => database.drop());
  const one = await start({ database, options: { controller: true } });
  const other = await start({
    database,
    options: { controller: true, secret: secretOf('another instance') },
  });
  const { id, code } = await one.request();
  const lines = linesAt('warn');
  const answer = await other.post('/2factor/confirm', { id, code });
  expect(answer).toMatchObject({ status: 410, body: { error: 'unknown-secret' } });
  return sentenceIn(lines, 'TwoFactorUnknownSecretError');
}

async function saidOfProxy(): Promise<string> {
  const app = await start({ options: { controller: true } });
  const lines = linesAt('warn');
  await app.request(undefined, { 'x-forwarded-for': '203.0.113.7' });
  return lines.join();
}

async function saidOfMisspeltVariable(): Promise<string> {
  const lines = linesAt('warn');
  vi.stubEnv('TWO_FACTOR_MAX_ATTEMPT', '3');
  await start({});
  return lines.filter((line) => line.includes('environment variable')).join('\n');
}

const METHODS = [totp({ issuer: 'ACME' })];

/** What is logged where `purposes.factors` has these members beside its subject. */
async function saidOfFactors(factors: Partial<PurposeDefinition>): Promise<string> {
  const lines = linesAt('warn');
  const { subject } = purposes.transfer;
  const options: TwoFactorModuleOptions & TwoFactorModuleExtras = {
    controller: true,
    methods: METHODS,
    purposes: { factors: { subject, ...factors } },
  };
  await start({ options });
  return lines.filter((line) => line.includes('first authenticator')).join('\n');
}

/** Nothing is wrong but what is planted. */
const PLANTS: Readonly<Record<number, Plant>> = {
  1: { options: { defaultSender: 'pigeon-post' } },
  2: { isWithoutDataSource: true },
  3: { dataSource: { migrations: [twoFactorMigrations] } },
  4: {
    options: { senders: {}, defaultSender: 'default' },
    words: /^, or list .+ under providers, which no module provides$/,
  },
  5: { said: saidOfUnparsedBody },
  6: {
    options: {
      senders: {
        email: defineSender(emailBackend, {
          options: { transport: 'smtp://127.0.0.1:9', from: 'ACME <no-reply@acme.example>' },
        }),
      },
    },
  },
  7: { said: saidOfMisspeltPurpose },
  8: { said: saidOfMissingSignIn },
  9: { options: { secret: undefined }, environment: PRODUCTION },
  10: { said: saidOfWrongClock, words: /^600$/ },
  11: { said: saidOfTwoSecrets },
  12: { said: saidOfProxy },
  13: { options: { secret: 'hunter2' } },
  14: { options: { defaultSender: 'main' } },
  15: { imports: [SmsModule, OtherModule] },
  16: { options: { senders: { email, text: { backend: PerRequest } } } },
  17: { options: { debugCodeResponse: true }, environment: PRODUCTION },
  18: { dataSource: { autoLoadEntities: false }, words: /^(ConfirmationRecord|LimitRecord)$/ },
  19: { dataSource: { migrations: [] }, words: /two_factor_limit/ },
  20: { returned: { controller: true } },
  21: { options: { senders: { email, phone: { backend: 'smss' } } }, imports: [SmsModule] },
  22: { options: { senders: { email, sms: email } }, imports: [SmsModule] },
  23: { imports: [SmsModule], way: 'fax' },
  24: {
    options: {
      senders: {
        email: defineSender(emailBackend, {
          options: { transport: 'smtp://127.0.0.1:9', from: 'ACME Bank' },
        }),
      },
    },
    words: /^<address>$/,
  },
  25: { said: () => saidOfFactors({}) },
  26: { said: saidOfUnobtainableProof },
  27: { said: saidOfMisspeltVariable },
};

async function boot(plant: Plant): Promise<INestApplication> {
  const database = plant.database ?? (await openDatabase('sqljs'));
  for (const [name, value] of Object.entries(plant.environment ?? {})) vi.stubEnv(name, value);
  const options: TwoFactorModuleOptions & TwoFactorModuleExtras = {
    secret: SECRET,
    codeGenerator: drawCanaryCode,
    autoPurge: false,
    defaultSender: 'email',
    senders: { email },
    ...plant.options,
  };
  @Module({
    imports: [
      ...(plant.isWithoutDataSource
        ? []
        : [
            TypeOrmModule.forRoot({
              ...database.options,
              autoLoadEntities: true,
              migrations: [...twoFactorMigrations],
              migrationsRun: true,
              retryAttempts: 0,
              ...plant.dataSource,
            }),
          ]),
      plant.returned
        ? TwoFactorModule.forRootAsync({ useFactory: () => ({ ...options, ...plant.returned }) })
        : TwoFactorModule.forRoot({ controller: true, ...options }),
      ...(plant.imports ?? []),
    ],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  ends.push(() => app.close());
  await app.init();
  return app;
}

async function errorOf(work: Promise<unknown>): Promise<TwoFactorError> {
  const error: unknown = await work.then(
    () => 'Nothing was thrown.',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TwoFactorError);
  return error as TwoFactorError;
}

/** Makes the mistake, and answers what stops the application, where the row says that it is stopped. */
async function stopped(plant: Plant, { when }: Row): Promise<TwoFactorError> {
  if (when === 'boot') return errorOf(boot(plant));
  expect(when).toBe('first call');
  const app = await boot(plant);
  const { way } = plant;
  return errorOf(app.get(TwoFactorService).request({ token: 'ann@example.com', way }));
}

/** The row's sentence as the application says it; what is in angle brackets must be as the plant says. */
function assertSaid(message: string, { sentence }: Row, { words }: Plant): void {
  const [before = '', after] = sentence.split(/<[^>]+>/);
  if (after === undefined) {
    expect(message).toBe(sentence);
    return;
  }
  expect(message.slice(0, before.length)).toBe(before);
  expect(message.slice(-after.length)).toBe(after);
  expect(message.slice(before.length, -after.length)).toMatch(words ?? /^$/);
}

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

  it('reports number 8 as a warning in development, once for each purpose', async () => {
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

  it('reports number 8 as no warning in production', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    const warnings = linesAt('warn');
    await saidOfMissingSignIn();
    expect(warnings.filter((line) => line.includes('returned nothing'))).toEqual([]);
  });

  it.each([undefined, '', 'staging'])('reports number 9 with NODE_ENV=%s too', async (value) => {
    const row = rows.find(({ number }) => number === 9)!;
    const plant = { options: { secret: undefined }, environment: { NODE_ENV: value } };
    const error = await stopped(plant, row);
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    assertSaid(error.message, row, plant);
  });

  it('reports number 18 with its sentence also where no migration of this package is run', async () => {
    const row = rows.find(({ number }) => number === 18)!;
    const plant = { ...PLANTS[18], dataSource: { autoLoadEntities: false, migrations: [] } };
    const error = await stopped(plant, row);
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    assertSaid(error.message, row, plant);
  });

  it('reports number 1 for the sender of a purpose, and for the backend of a sender', async () => {
    const hint = `, or list ${PigeonPostBackend.name} under providers, which no module provides.`;
    const purposes = { '': { open: true as const, senders: ['pigeon-post'] } };
    const senders = { email, pigeon: { backend: 'pigeon-post' } };
    for (const options of [{ purposes }, { senders }]) {
      const { message } = await errorOf(boot({ options }));
      expect(message.slice(-hint.length)).toBe(hint);
    }
  });

  it('reports number 2 for a data source of another name', async () => {
    const { message } = await errorOf(boot({ options: { dataSource: 'second' } }));
    expect(message).toBe(
      'TwoFactorModule finds no TypeORM data source of the name "second": import ' +
        "TypeOrmModule.forRoot({ ... }, 'second') in the root module.",
    );
  });

  it('warns of number 25 where factors has a recipient and no method code, and not where a code or the session proves a first authenticator', async () => {
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

describe.each(engines)('a missing table on %s', (engine) => {
  const row = rows.find(({ number }) => number === 19)!;

  it.each([
    ['two_factor_limit', undefined],
    ['two_factor_confirmation', false],
  ] as const)('(%s) is reported at the first call', async (table, limits) => {
    const database = await openDatabase(engine);
    ends.push(() => database.drop());
    const words = new RegExp(`${table}['"]?( does not exist| doesn't exist)?$`);
    const plant: Plant = {
      options: limits === undefined ? {} : { limits },
      database,
      dataSource: { migrations: [], autoLoadEntities: false, entities: [...TWO_FACTOR_ENTITIES] },
      words,
    };
    const error = await stopped(plant, row);

    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    assertSaid(error.message, row, plant);
  });

  it('is a 500 over HTTP, and the sentence is in the log', async () => {
    const database = await openDatabase(engine);
    ends.push(() => database.drop());
    const plant: Plant = { database, dataSource: { migrations: [] }, words: /two_factor_limit/ };
    const app = await boot(plant);
    const lines = vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    const { body, status } = (await request(app.getHttpServer() as string)
      .post('/2factor/request-confirmation')
      .send({ token: 'ann@example.com' })) as { body: Record<string, unknown>; status: number };

    expect([status, body['error']]).toEqual([500, 'invalid-configuration']);
    expect(JSON.stringify(body)).not.toContain('two_factor_limit');
    expect(lines).toHaveBeenCalledTimes(1);
    const [, said = ''] =
      /^urn:uuid:\S+ TwoFactorConfigurationError: (.*?)(?: Cause: .*)?$/.exec(
        String(lines.mock.calls[0]?.[0]),
      ) ?? [];
    assertSaid(said, row, plant);
  });
});
