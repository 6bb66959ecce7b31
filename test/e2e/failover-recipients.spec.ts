// Threat: a stranger chooses recipients that always fail, such as domains of mail servers of the stranger's own, and so takes a provider
// away from everyone.
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  digits,
  functionalSenderBackend,
  SendFailure,
  type Delivery,
  type SendFunction,
} from '../../lib/index.js';
import { FIXTURES, WEBHOOK, type ProviderFixture } from '../support/provider-fixtures.js';
import {
  startProvider,
  type ProviderCall,
  type ProviderServer,
  type Reply,
} from '../support/provider-server.js';
import type { ScriptedSmtpServer, SmtpStep } from '../support/scripted-smtp-server.js';
import type { TestApp } from '../support/test-app.js';
import {
  endAll,
  ends,
  number,
  PASSED_OVER,
  recordWarnings,
  relay,
  startFailover,
  startRelays,
} from './failover-fixtures.js';

afterEach(endAll);

/** Longer than one process is busy with `AT_ONCE` messages. */
const TIMEOUT_MS = 3_000;
const AT_ONCE = 25;
const FEW = 5;
const MANY = 50;
const HONEST = [90, 91, 92];

/** As a breaker that counts each failure sees them. */
function countedAlways(send: SendFunction<never>): SendFunction<never> {
  return async (delivery: Delivery<never>) => {
    try {
      await send(delivery);
    } catch {
      throw new SendFailure('transient', 'It failed.', { concernsAll: true });
    }
  };
}

async function sendAll(app: TestApp, tokens: readonly string[]): Promise<void> {
  const send = async (token: string): Promise<void> => {
    await app.twoFactor.request({ token }).catch(() => undefined);
  };
  // A few at a time: the time limits of these tests are short, and all at once are slow in one process.
  for (let done = 0; done < tokens.length; done += AT_ONCE) {
    await Promise.all(tokens.slice(done, done + AT_ONCE).map(send));
  }
  // The provider may be asked now whether it answers.
  await sleep(50);
}

/** Whether a call names no recipient. */
const isPing = ({ body }: ProviderCall): boolean => body === '' || body.includes('Message=ping');

/** Phone numbers with prefixes of their own, and ids of chats. */
const tokenOf = (fixture: ProviderFixture, n: number): string =>
  fixture.name === 'telegramBotBackend' ? String(70_000_000 + n * 100_000) : number(n);

interface Attack {
  readonly app: TestApp;
  readonly first: ProviderServer;
  readonly second: ProviderServer;
  readonly warnings: readonly string[];
}

/** The first provider answers so to each message to one of the first `count` recipients. */
async function attack(
  fixture: ProviderFixture,
  reply: Reply,
  count: number,
  seen: (send: SendFunction<never>) => SendFunction<never> = (send) => send,
): Promise<Attack> {
  const chosen = Array.from({ length: count }, (_, n) => tokenOf(fixture, n));
  const first = await startProvider((call) => {
    if (isPing(call)) return { status: 400 };
    return chosen.includes(fixture.messageOf(call).token) ? reply : fixture.usual(call);
  });
  ends.push(() => first.close());
  const second = await startProvider(WEBHOOK.usual);
  ends.push(() => second.close());
  const warnings = recordWarnings();
  const app = await startFailover(
    {
      senders: {
        first: {
          backend: async () => seen(await fixture.create(first.url, { timeoutMs: TIMEOUT_MS })),
        },
        second: { backend: () => WEBHOOK.create(second.url) },
      },
    },
    { codeGenerator: digits(6) },
  );
  await sendAll(app, chosen);
  return { app, first, second, warnings };
}

/** The answers that a provider may give because of the recipient. Those that name the account or the address are left out. */
const waysOf = (fixture: ProviderFixture): [how: string, reply: Reply][] => [
  ['refuses them', fixture.refused],
  ['limits their rate', fixture.rateLimited],
  ...[400, 403, 409, 422, 500, 502, 503, 504].map((status): [string, Reply] => [
    `answers ${status}`,
    { status },
  ]),
  ...(fixture.name === 'webhookBackend'
    ? [404, 410].map((status): [string, Reply] => [`answers ${status}`, { status }])
    : []),
  ['never answers', 'silent'],
  ['ends the connection', 'broken'],
];

describe.each(FIXTURES)('recipients of $name that a stranger chooses', (fixture) => {
  const ways = waysOf(fixture);
  // Fifty silent messages take long, and the service behind a webhook is the one that may wait for a recipient.
  const waysOfMany = ways.filter(
    ([, reply]) =>
      reply === fixture.refused ||
      (typeof reply === 'object' && reply.status === 500) ||
      (reply === 'silent' && fixture === WEBHOOK),
  );

  it.each([
    ...ways.map((way) => [way[0], FEW, way[1]] as const),
    ...waysOfMany.map((way) => [way[0], MANY, way[1]] as const),
  ])(
    'take the provider from no other recipient when it %s, %d of them',
    async (_, count, reply) => {
      const { app, first, second, warnings } = await attack(fixture, reply, count);
      const before = second.calls.length;
      const honest = HONEST.map((n) => tokenOf(fixture, n));
      for (const token of honest) await app.twoFactor.request({ token });

      const got = first.accepted.slice(-honest.length).map((call) => fixture.messageOf(call).token);
      expect(got).toEqual(honest);
      expect(second.calls).toHaveLength(before);
      expect(warnings).not.toContain(PASSED_OVER);
    },
  );

  it('make all others lose the first provider in the naive twin, whose breaker counts each failure', async () => {
    const { app, first, second } = await attack(fixture, { status: 500 }, 5, countedAlways);
    const before = [first.calls.length, second.calls.length] as const;
    await app.twoFactor.request({ token: tokenOf(fixture, HONEST[0]!) });

    expect([first.calls.length, second.calls.length]).toEqual([before[0], before[1] + 1]);
  });

  it('make the failover ping the provider once for each series of failures', async () => {
    const { first } = await attack(fixture, { status: 500 }, 5);
    await vi.waitFor(() => expect(first.calls.some(isPing)).toBe(true), 60_000);
    expect(first.calls.filter(isPing)).toHaveLength(1);
  });
});

describe('mailboxes that a stranger chooses', () => {
  const STEPS: readonly SmtpStep[] = ['RCPT', 'DATA', 'END'];
  const ANSWERS = [
    'silent',
    'gone',
    '550 5.1.1 No such user',
    '450 4.2.0 Greylisted',
    '451 4.3.0 Temporary lookup failure',
    '452 4.2.2 The mailbox is full',
    '421 4.7.0 Try again later',
    '502 5.5.2 Command not recognized',
    '535 5.7.8 Authentication failed',
    '554 5.7.1 Blocked',
  ];

  async function attackRelay(
    [step, how]: readonly [SmtpStep, string],
    count: number,
    seen: (send: SendFunction<never>) => SendFunction<never> = (send) => send,
  ): Promise<{
    app: TestApp;
    first: ScriptedSmtpServer;
    second: ScriptedSmtpServer;
    warnings: string[];
  }> {
    const [first, second] = await startRelays();
    const { backend, options } = relay(first.port, {
      socketTimeout: TIMEOUT_MS,
      auth: { user: 'acme', pass: 'a password of a test' },
    });
    const create = backend as (input: object) => Promise<SendFunction<never>>;
    const warnings = recordWarnings();
    const app = await startFailover({
      senders: {
        first: {
          backend: async (input) => seen(await create({ ...input, options })),
        },
        second: relay(second.port, {}),
      },
    });
    if (how === 'silent' || how === 'gone') first.fail(step, how);
    else first.refuse(step, how);
    await sendAll(
      app,
      Array.from({ length: count }, (_, n) => `eve@evil${n}.example`),
    );
    first.recover();
    return { app, first, second, warnings };
  }

  it.each(
    STEPS.flatMap((step) => [
      ...ANSWERS.map((how) => [step, how, FEW] as const),
      [step, '451 4.3.0 Temporary lookup failure', MANY] as const,
      ...(step === 'RCPT' ? [[step, 'silent', MANY] as const] : []),
    ]),
  )(
    'take the relay from no other recipient when it fails at %s: %s, %s of them',
    async (step, how, count) => {
      const { app, first, second, warnings } = await attackRelay([step, how], count);
      const before = [first.received, second.received] as const;
      const honest = ['ann@example.com', 'bob@example.org', 'joe@example.net'];
      for (const token of honest) await app.twoFactor.request({ token });

      expect([first.received, second.received]).toEqual([before[0] + honest.length, before[1]]);
      expect(warnings).not.toContain(PASSED_OVER);
    },
  );

  it('make all others lose the first provider in the naive twin, whose breaker counts each failure', async () => {
    const { app, first, second } = await attackRelay(['RCPT', '451 4.3.0 Later'], 5, countedAlways);
    const before = [first.received, second.received] as const;
    await app.twoFactor.request({ token: 'ann@example.com' });

    expect([first.received, second.received]).toEqual([before[0], before[1] + 1]);
  });
});

describe('recipients that fail by a sender of your own', () => {
  it('go to the other providers first with their next message, and take the sender from no one else', async () => {
    const calls: string[] = [];
    const app = await startFailover(
      {
        senders: {
          first: {
            backend: functionalSenderBackend(({ token }) => {
              calls.push(`first ${token}`);
              if (token.startsWith('eve')) throw new TypeError('fetch failed');
            }),
          },
          second: {
            backend: functionalSenderBackend(({ token }) => calls.push(`second ${token}`)),
          },
        },
      },
      { limits: false },
    );
    const chosen = Array.from({ length: 10 }, (_, n) => `eve@evil${n}.example`);
    await sendAll(app, chosen);
    await app.twoFactor.request({ token: 'ann@example.com' });
    await app.twoFactor.request({ token: chosen[0]! });

    expect(calls.slice(-2)).toEqual(['first ann@example.com', `second ${chosen[0]!}`]);
    expect(calls.filter((call) => call.startsWith('first eve'))).toHaveLength(10);
  });
});
