// Each of the mistakes in docs/misconfigurations.md is made in a real application, and stops it with the sentence that
// stands there: docs and code cannot differ.
import { readFile } from 'node:fs/promises';

import {
  Injectable,
  Logger,
  Module,
  Scope,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import request from 'supertest';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import {
  defineSender,
  SenderBackend,
  TWO_FACTOR_ENTITIES,
  TwoFactorConfigurationError,
  TwoFactorError,
  TwoFactorInputError,
  twoFactorMigrations,
  TwoFactorModule,
  TwoFactorService,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { engines, openDatabase, type TestDatabase } from '../support/engines.js';
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

@Injectable({ scope: Scope.REQUEST })
class PerRequest extends SmsBackend {}

@Module({ providers: [SmsBackend] })
class SmsModule {}

@Module({ providers: [OtherSms] })
class OtherModule {}

const email = { backend: () => () => undefined };

interface Plant {
  readonly options?: TwoFactorModuleOptions & TwoFactorModuleExtras;
  /** What a factory returns, instead of `options`. */
  readonly returned?: object;
  readonly imports?: readonly Type[];
  readonly dataSource?: object;
  readonly database?: TestDatabase;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What the first call asks for. */
  readonly way?: string;
  /** What stands in angle brackets. */
  readonly words?: RegExp;
}

const PRODUCTION = { NODE_ENV: 'production' };

/** Nothing is wrong but what is planted. */
const PLANTS: Readonly<Record<number, Plant>> = {
  1: { options: { secret: undefined }, environment: PRODUCTION },
  2: { options: { secret: 'hunter2' } },
  3: { options: { defaultSender: 'sms' } },
  4: { imports: [SmsModule, OtherModule] },
  5: { options: { senders: { email, text: { backend: PerRequest } } } },
  6: { options: { debugCodeResponse: true }, environment: PRODUCTION },
  7: { dataSource: { autoLoadEntities: false }, words: /^(ConfirmationRecord|LimitRecord)$/ },
  8: { dataSource: { migrations: [] }, words: /two_factor_limit/ },
  9: { returned: { controller: true } },
  10: {
    options: {
      senders: {
        email: defineSender(emailBackend, {
          options: { transport: 'smtp://127.0.0.1:9', from: 'ACME <no-reply@acme.example>' },
        }),
      },
    },
  },
  11: { options: { senders: { email, phone: { backend: 'smss' } } }, imports: [SmsModule] },
  12: { options: { senders: { email, sms: email } }, imports: [SmsModule] },
  13: { imports: [SmsModule], way: 'fax' },
  14: {
    options: {
      senders: {
        email: defineSender(emailBackend, {
          options: { transport: 'smtp://127.0.0.1:9', from: 'ACME Bank' },
        }),
      },
    },
    words: /^<address>$/,
  },
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
      TypeOrmModule.forRoot({
        ...database.options,
        autoLoadEntities: true,
        migrations: [...twoFactorMigrations],
        migrationsRun: true,
        retryAttempts: 0,
        ...plant.dataSource,
      }),
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

  it.each(rows)('tells number $number in one sentence with a remedy', ({ sentence }) => {
    expect(sentence).toMatch(/^[A-Z].*[:;] (and )?[a-z]+ .+\.$/);
    expect(sentence).not.toMatch(/[.!?]["')]?\s+[A-Z]/);
  });

  it.each(rows)('says what number $number says', async (row) => {
    const plant = PLANTS[row.number]!;
    if (row.number === 10) {
      vi.doMock('nodemailer', () => {
        throw new Error("Cannot find package 'nodemailer'");
      });
    }
    const error = await stopped(plant, row);

    assertSaid(error.message, row, plant);
    expect(error).toBeInstanceOf(
      row.number === 13 ? TwoFactorInputError : TwoFactorConfigurationError,
    );
  });

  it('says what number 7 says also where no migration of ours is run', async () => {
    const row = rows.find(({ number }) => number === 7)!;
    const plant = { ...PLANTS[7], dataSource: { autoLoadEntities: false, migrations: [] } };
    const error = await stopped(plant, row);
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    assertSaid(error.message, row, plant);
  });

  it('is about mistakes: without one the application boots, and sends', async () => {
    const app = await boot({ imports: [SmsModule] });
    const service = app.get(TwoFactorService);
    await expect(service.request({ token: 'ann@example.com' })).resolves.toHaveProperty('id');
  });
});

describe.each(engines)('a missing table on %s', (engine) => {
  const row = rows.find(({ number }) => number === 8)!;

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
