// A provider that is down must be found out soon, in whatever way it is down, and get messages again when it is back.
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it, vi } from 'vitest';

import type { SenderDefinition } from '../../lib/index.js';
import { digits, SendFailure, TwoFactorSendError } from '../../lib/index.js';
import { FIXTURES, twilioError, WEBHOOK } from '../support/provider-fixtures.js';
import { startProvider, type ProviderServer, type Reply } from '../support/provider-server.js';
import type { SmtpStep } from '../support/scripted-smtp-server.js';
import {
  DOWN,
  endAll,
  ends,
  number,
  PASSED_OVER,
  recordWarnings,
  relay,
  startFailover,
  startRelays,
  startWorld,
} from './failover-fixtures.js';

afterEach(endAll);

const TIMEOUT_MS = 150;
const PEOPLE = 5;

describe('the breaker of a provider', () => {
  it.each(
    FIXTURES.flatMap((fixture) => [
      { fixture, name: fixture.name, how: 'refuses connections', reply: 'closed' as const },
      { fixture, name: fixture.name, how: 'is not trusted', reply: 'untrusted' as const },
      { fixture, name: fixture.name, how: 'never answers', reply: 'silent' as Reply },
      { fixture, name: fixture.name, how: 'ends connections', reply: 'broken' as Reply },
      { fixture, name: fixture.name, how: 'answers 502', reply: { status: 502 } },
      { fixture, name: fixture.name, how: 'answers 503', reply: { status: 503 } },
      { fixture, name: fixture.name, how: 'refuses the account', reply: fixture.ours },
    ]),
  )('opens when the provider of $name $how', async ({ fixture, reply }) => {
    const isTls = reply === 'untrusted';
    const isAnswer = typeof reply === 'object' || reply === 'silent' || reply === 'broken';
    const first = await startProvider((call) => (isAnswer ? reply : fixture.usual(call)), {
      isTls,
    });
    ends.push(() => first.close());
    if (reply === 'closed') await first.close();
    const second = await startProvider(WEBHOOK.usual);
    ends.push(() => second.close());
    const warnings = recordWarnings();
    const app = await startFailover(
      { senders: sendersOf(first, second, fixture) },
      { codeGenerator: digits(6) },
    );
    const person = (n: number): string => fixture.token(n);
    const send = async (n: number): Promise<void> => {
      await app.twoFactor.request({ token: person(n) }).catch(() => undefined);
    };
    await Promise.all(Array.from({ length: PEOPLE }, async (_, n) => send(n)));
    await vi.waitFor(() => expect(warnings).toContain(PASSED_OVER), 60_000);
    const before = { first: first.calls.length, second: second.accepted.length };

    await send(PEOPLE);
    expect(second.accepted).toHaveLength(before.second + 1);
    expect(first.calls).toHaveLength(before.first);
  });

  const sendersOf = (
    first: ProviderServer,
    second: ProviderServer,
    fixture: (typeof FIXTURES)[number],
  ): Record<string, SenderDefinition> => ({
    first: { backend: () => fixture.create(first.url, { timeoutMs: TIMEOUT_MS }) },
    second: { backend: () => WEBHOOK.create(second.url) },
  });

  it.each<readonly [SmtpStep | 'closed', string]>([
    ['closed', ''],
    ['GREETING', 'silent'],
    ['GREETING', 'gone'],
    ['GREETING', '421 4.3.2 Service shutting down'],
    ['AUTH', 'silent'],
    ['AUTH', 'gone'],
    ['AUTH', '454 4.7.0 Temporary authentication failure'],
    ['AUTH', '535 5.7.8 Authentication failed'],
    ['MAIL', '452 4.3.1 Insufficient system storage'],
  ])('opens when the mail server fails at %s: %s', async (step, how) => {
    const [first, second] = await startRelays();
    if (step === 'closed') await first.close();
    else if (how === 'silent' || how === 'gone') first.fail(step, how);
    else first.refuse(step, how);
    const warnings = recordWarnings();
    const limits = { greetingTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS };
    const auth = { user: 'acme', pass: 'a password of a test' };
    const app = await startFailover({
      senders: {
        first: relay(first.port, { ...limits, auth }),
        second: relay(second.port, {}),
      },
    });
    const send = async (n: number): Promise<void> => {
      await app.twoFactor.request({ token: `ann@mx${n}.example` }).catch(() => undefined);
    };
    for (let n = 0; n < PEOPLE; n += 1) await send(n);
    await vi.waitFor(() => expect(warnings).toContain(PASSED_OVER), 60_000);
    const before = { first: first.sessions, second: second.received };

    await send(PEOPLE);
    expect([first.sessions, second.received]).toEqual([before.first, before.second + 1]);
  });

  it('tries a provider again after the trial message of its breaker got no answer', async () => {
    let mode: 'down' | 'silent' | 'well' = 'down';
    const accepted: string[] = [];
    const first = async (): Promise<void> => {
      if (mode === 'down') throw new SendFailure('ours', 'closed', { concernsAll: true });
      // It ignores the signal.
      if (mode === 'silent') await new Promise<never>(() => undefined);
      accepted.push('first');
    };
    const second = async (): Promise<void> => {
      accepted.push('second');
    };
    const app = await startFailover(
      {
        breaker: { openSeconds: 1 },
        senders: { first: { backend: () => first }, second: { backend: () => second } },
      },
      { sendTimeoutMs: 3_000 },
    );
    await app.twoFactor.request({ token: number(0) });
    await sleep(1_100);
    mode = 'silent';
    await expect(app.twoFactor.request({ token: number(1) })).rejects.toBeInstanceOf(
      TwoFactorSendError,
    );

    mode = 'well';
    await sleep(1_100);
    await app.twoFactor.request({ token: number(2) });

    expect(accepted).toEqual(['second', 'first']);
  });

  it('calls a skipped provider all the same when the others fail, so that no message is lost', async () => {
    const { app, first, second } = await startWorld();
    first.next(twilioError(401, 20003, 'Authenticate'));
    await app.twoFactor.request({ token: number(0) });
    first.next(DOWN);
    second.next(DOWN);
    await expect(app.twoFactor.request({ token: number(1) })).rejects.toBeInstanceOf(
      TwoFactorSendError,
    );
    second.next(DOWN);
    await app.twoFactor.request({ token: number(2) });
    expect(first.accepted).toHaveLength(1);
  });

  it('aborts the ping of a provider when the application stops', async () => {
    let isAborted = false;
    const down = Object.assign(
      async (): Promise<void> => {
        throw new SendFailure('transient', 'down');
      },
      {
        ping: (signal: AbortSignal) =>
          new Promise<never>((_, reject) => {
            signal.addEventListener('abort', () => {
              isAborted = true;
              reject(new Error('stopped'));
            });
          }),
      },
    );
    const warnings = recordWarnings();
    const app = await startFailover({
      breaker: { threshold: 2 },
      senders: { first: { backend: () => down }, second: { backend: () => () => undefined } },
    });
    for (const n of [0, 1]) await app.twoFactor.request({ token: number(n) });
    expect(isAborted).toBe(false);
    await app.close();

    expect(isAborted).toBe(true);
    expect(warnings).not.toContain(PASSED_OVER);
  });
});
