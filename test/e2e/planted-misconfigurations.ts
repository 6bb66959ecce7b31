// The mistakes of docs/misconfigurations.md, by their numbers.
import {
  Controller,
  Injectable,
  Logger,
  Module,
  Post,
  Scope,
  type ExecutionContext,
} from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';
import { expect, vi } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import {
  defineSender,
  RequireConfirmation,
  SenderBackend,
  totp,
  twoFactorMigrations,
  type PurposeDefinition,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { engines, openDatabase } from '../support/engines.js';
import { startHttpApp, type HttpTestApp, type HttpTestAppInput } from '../support/http.js';
import { secretOf } from '../support/secret.js';
import { email, ends, errorOf, type Plant } from './misconfigured-application.js';

@SenderBackend('sms')
class SmsBackend implements SenderBackend {
  send(): void {}
}

@SenderBackend('sms')
class OtherSms extends SmsBackend {}

/** In no module. */
@SenderBackend('pigeon-post')
export class PigeonPostBackend extends SmsBackend {}

@Injectable({ scope: Scope.REQUEST })
class PerRequest extends SmsBackend {}

@Module({ providers: [SmsBackend] })
export class SmsModule {}

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

const PRODUCTION = { NODE_ENV: 'production' };

export const purposes = {
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
export function linesAt(level: 'debug' | 'error' | 'warn'): string[] {
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

export async function start(input: HttpTestAppInput): Promise<HttpTestApp> {
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

export async function saidOfMissingSignIn(): Promise<string> {
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
export async function saidOfFactors(factors: Partial<PurposeDefinition>): Promise<string> {
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
export const PLANTS: Readonly<Record<number, Plant>> = {
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
  28: {
    options: {
      senders: {
        email: defineSender(emailBackend, {
          options: { transport: 'mail.example.com', from: 'ACME Bank <no-reply@acme.example>' },
        }),
      },
    },
  },
};
