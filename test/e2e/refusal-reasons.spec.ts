// The reason of a refusal is for developers: in the debug log always, and in the answer with NODE_ENV=development alone.
import { Controller, HttpCode, Logger, Post, UseFilters } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { ConfirmationStore } from '../../lib/confirmation/index.js';
import {
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type ConfirmationState,
  type JsonValue,
  type PurposeDefinition,
} from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { DETAILS, requestOf, resolved } from './guarded-routes.js';

const purposes: Record<string, PurposeDefinition> = {
  '': { open: true },
  transfer: resolved,
  login: resolved,
};

@Controller('transfers')
@UseFilters(TwoFactorExceptionFilter)
class TransferController {
  @Post()
  @HttpCode(200)
  @RequireConfirmation('transfer', { details: (context) => requestOf(context).body })
  transfer(): object {
    return { ok: true };
  }

  @Post('by-mail')
  @HttpCode(200)
  @RequireConfirmation('transfer', {
    details: (context) => requestOf(context).body,
    senders: ['email'],
  })
  byMail(): object {
    return { ok: true };
  }

  @Post('by-app')
  @HttpCode(200)
  @RequireConfirmation('transfer', {
    details: (context) => requestOf(context).body,
    confirmedBy: ['totp', 'recovery'],
  })
  byApp(): object {
    return { ok: true };
  }
}

let app: HttpTestApp;
let lines: string[];
let isDebugOn: boolean;

beforeAll(async () => {
  app = await startHttpApp({
    options: { controller: true, purposes, methods: METHODS, limits: false, maxAttempts: 1 },
    controllers: [TransferController],
  });
});
afterAll(() => app.close());
beforeEach(() => {
  lines = [];
  // The logger of the tests keeps its levels to itself.
  isDebugOn = true;
  vi.spyOn(Logger, 'isLevelEnabled').mockImplementation(() => isDebugOn);
  vi.spyOn(Logger.prototype, 'debug').mockImplementation((line: unknown) => {
    lines.push(String(line));
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

interface Binding {
  readonly purpose?: string;
  readonly subject?: string;
  readonly details?: JsonValue;
  readonly isConfirmed?: boolean;
}

const RIGHT = { purpose: 'transfer', subject: 'ann', details: DETAILS };
const make = (binding: Binding = {}): Promise<ConfirmationState> =>
  app.confirmer.makeConfirmation({ ...RIGHT, isConfirmed: true, ...binding });

/** Each row makes a proof that is refused, and has the reason. */
const REFUSALS: readonly (readonly [reason: string, make: () => Promise<string>])[] = [
  ['does not exist.', async () => UNKNOWN_ID],
  [
    'is for the purpose "login", and not for "transfer".',
    async () => (await make({ purpose: 'login' })).id,
  ],
  ['is for another subject.', async () => (await make({ subject: 'bob' })).id],
  ['is for other details.', async () => (await make({ details: { amount: '1' } })).id],
  ['is not confirmed yet.', async () => (await make({ isConfirmed: false })).id],
  [
    'was confirmed, and not used in time (useWithinSeconds).',
    async () => {
      const { id } = await make();
      app.clock.advance(301);
      return id;
    },
  ],
  [
    'is expired.',
    async () => {
      const { id } = await make({ isConfirmed: false });
      app.clock.advance(601);
      return id;
    },
  ],
  [
    'has no attempts left.',
    async () => {
      const { id } = await make({ isConfirmed: false });
      await app.confirmer.confirm(id, 'BBBBBBBBBBBBBBBBBBBB');
      return id;
    },
  ],
  [
    'was cancelled.',
    async () => {
      const { id } = await make();
      await app.confirmer.cancel(id);
      return id;
    },
  ],
  [
    'is used, or reserved by a call that runs.',
    async () => {
      const { id } = await make();
      await app.confirmer.use(id, RIGHT);
      return id;
    },
  ],
];

const transfer = (id: string, route = ''): Promise<Answer> =>
  app.post(`/transfers${route}`, DETAILS, { 'x-user': 'ann', 'x-confirmation-id': id });

describe('The debug log', () => {
  it.each(REFUSALS)('has the reason when the guard refuses a proof that %s', async (reason, of) => {
    const id = await of();
    lines.length = 0;
    const answer = await transfer(id);
    const { instance, ...others } = answer.body as { instance: string };
    expect(lines.filter((line) => line.startsWith(instance))).toStrictEqual([
      expect.stringMatching(/^\S+ TwoFactorConfirmation(Required|Used)Error: The confirmation /),
    ]);
    expect(lines.find((line) => line.startsWith(instance))).toContain(reason);
    expect(JSON.stringify(others)).not.toContain(reason);
    expect(lines.join('\n')).not.toContain(id);
  });

  it.each(REFUSALS)('has the reason when use refuses a proof that %s', async (reason, of) => {
    const id = await of();
    lines.length = 0;
    expect(await app.confirmer.use(id, RIGHT)).toBe(false);
    expect(lines).toStrictEqual([
      expect.stringMatching(/^A use was refused\. The confirmation \S{14}\.\.\. /),
    ]);
    expect(lines[0]).toContain(reason);
  });

  it('has the reason when use refuses inside a transaction, and when the call has a key', async () => {
    const { id } = await make({ subject: 'bob' });
    await app.dataSource.transaction((manager) => app.confirmer.use(id, { ...RIGHT, manager }));
    await app.confirmer.use(id, { ...RIGHT, idempotencyKey: 'sixteen-characters' });
    expect(lines.filter((line) => line.includes('is for another subject.'))).toHaveLength(2);
  });

  it('has the reason when a code went out by a sender that does not count', async () => {
    const { id } = await app.twoFactor.request({ ...RIGHT, token: 'ann@example.com' });
    await app.confirmer.confirm(id, app.inbox.lastCode);
    expect(await transfer(id, '/by-mail')).toMatchObject({ status: 403 });
    expect(lines.join('\n')).toContain('went out by "default", and only email counts here.');
  });

  it('has the reason when another method has confirmed it', async () => {
    const { subject } = await enrolApp(app, 'ann');
    const byCode = await app.twoFactor.request({ ...RIGHT, token: 'ann@example.com' });
    await app.confirmer.confirm(byCode.id, app.inbox.lastCode);
    const { id } = await make({ subject });
    const open = await make({ subject, isConfirmed: false });

    for (const each of [byCode.id, id, open.id]) {
      expect(await transfer(each, '/by-app')).toMatchObject({ status: 403 });
    }

    expect(lines.filter((line) => line.startsWith('urn:'))).toStrictEqual([
      expect.stringContaining('was confirmed by "code", and only totp, recovery counts here.'),
      expect.stringContaining('was confirmed by "hand", and only totp, recovery counts here.'),
      expect.stringContaining('is not confirmed yet.'),
    ]);
  });

  it('has the reason when a method without a sender has confirmed it, and a sender is asked for', async () => {
    const { subject, app: authenticator } = await enrolApp(app, 'ann');
    const methods = ['totp', 'code'] as const;
    const made = await app.confirmer.makeConfirmation({ ...RIGHT, subject, methods });
    await app.confirmer.confirm(made.id, { method: 'totp', code: authenticator.code() });

    expect(await transfer(made.id, '/by-mail')).toMatchObject({ status: 403 });
    expect(lines.join('\n')).toContain(
      'was confirmed by "totp" without a sender, and only email counts here.',
    );
    expect(await transfer(made.id)).toMatchObject({ status: 200 });
  });

  it('names the missing confirmation id', async () => {
    expect(await app.post('/transfers', DETAILS, { 'x-user': 'ann' })).toMatchObject({
      status: 403,
    });
    expect(lines.join('\n')).toContain('There is no header x-confirmation-id.');
  });

  it.each<[string, string, unknown]>([
    ['The body is not a JSON object.', 'confirm', []],
    [
      'The body cannot be accepted: id must be shorter than or equal to 64 characters',
      'confirm',
      { id: 'x'.repeat(65), code: '123456' },
    ],
    ['code must be a string', 'confirm', { id: UNKNOWN_ID, code: 123456 }],
    ['id has more than 1024 characters', 'check', { id: 'x'.repeat(2_000) }],
    ['A confirmation id is a string of 36 characters', 'check', { id: 'short' }],
    ['There is no purpose "payout".', 'request-confirmation', { token: 'a', purpose: 'payout' }],
    ['There is no sender "fax"', 'request-confirmation', { token: 'a', way: 'fax' }],
    ['The body lacks token.', 'request-confirmation', {}],
  ])('has the reason of a 400: %s', async (reason, route, body) => {
    const answer = await app.post(`/2factor/${route}`, body);
    const detail = reason.startsWith('The body lacks') ? { detail: reason } : {};
    expect(answer).toBeProblem(400, 'invalid-request', detail);
    expect(lines.join('\n')).toContain(reason);
  });

  it('costs a refused use no statement while the level debug is off, and one while it is on', async () => {
    const { id } = await make({ subject: 'bob' });
    isDebugOn = false;
    expect(await app.log.during(() => app.confirmer.use(id, RIGHT))).toHaveLength(1);
    expect(lines).toStrictEqual([]);
    isDebugOn = true;
    expect(await app.log.during(() => app.confirmer.use(id, RIGHT))).toHaveLength(2);
  });

  it('does not turn a refused use into an error when the reason cannot be read', async () => {
    const { id } = await make({ subject: 'bob' });
    vi.spyOn(app.app.get(ConfirmationStore, { strict: false }), 'find').mockRejectedValueOnce(
      new Error('no connection'),
    );
    expect(await app.confirmer.use(id, RIGHT)).toBe(false);
    expect(lines).toStrictEqual(['A use was refused. The reason cannot be read: no connection']);
  });
});

describe('The detail of a problem', () => {
  it.each(['development', 'production'])(
    'is the reason in development, and absent in production: %s',
    async (environment) => {
      const { id } = await make({ subject: 'bob' });
      vi.stubEnv('NODE_ENV', environment);
      const refused = await transfer(id);
      const malformed = await app.post('/2factor/confirm', { id: 'short', code: '123456' });
      const details = [refused, malformed].map(({ body }) => (body as { detail?: string }).detail);
      expect(details).toStrictEqual(
        environment === 'development'
          ? [
              `The confirmation ${id.slice(0, 14)}... is for another subject.`,
              'A confirmation id is a string of 36 characters, 0-9 and a-v.',
            ]
          : [undefined, undefined],
      );
    },
  );
});
