// What a page still offers after a call was refused, or had no answer. A person who loses the other ways by it cannot confirm any more.
import type { TwoFactorClient, TwoFactorProblem } from 'nestjs-two-factor/client';
import { beforeEach, describe, expect, it } from 'vitest';

import { CodeFlow } from '../../lib/client/element/code-flow.js';

type Route = 'requestConfirmation' | 'confirm' | 'resend' | 'check' | 'confirmWithPasskey';

const UNREACHABLE = { error: 'unreachable', status: 0 };
const UNAVAILABLE = { error: 'temporarily-unavailable', status: 503 };
const BAD_GATEWAY = { error: 'unexpected-answer', status: 502, document: undefined };
const UNKNOWN_DEVICE = { error: 'code-mismatch', status: 422, attemptsLeft: 4 };
const NOT_ALLOWED = { error: 'method-not-allowed', status: 422 };
/** Waiting does not help: the answer names no time. */
const FOR_GOOD = { error: 'too-many-requests', status: 429 };

describe('A page, after a call was refused,', () => {
  let calls: string[];
  let methods: string[];
  /** The next refusals of each route; without one it accepts. */
  let refusals: Partial<Record<Route, object[]>>;
  let held: Promise<void> | undefined;
  let flow: CodeFlow;

  beforeEach(() => {
    calls = [];
    refusals = {};
    held = undefined;
    const answer = async (route: Route, value: object): Promise<unknown> => {
      calls.push(route);
      await held;
      const problem = refusals[route]?.shift();
      return problem === undefined ? { ok: true, value } : { ok: false, problem };
    };
    const requested = { id: '1', expiresIn: 600, resendIn: 0 };
    const client = {
      requestConfirmation: () =>
        answer('requestConfirmation', { ...requested, method: methods[0], methods }),
      resend: () => answer('resend', requested),
      confirm: () => answer('confirm', { id: '1', confirmed: true }),
      confirmWithPasskey: () => answer('confirmWithPasskey', { id: '1', confirmed: true }),
      check: () => answer('check', { delivery: 'queued' }),
      forget: () => undefined,
    };
    flow = new CodeFlow({
      client: () => client as unknown as TwoFactorClient,
      request: () => ({ body: {}, flow: undefined }),
      changed: () => undefined,
    });
  });

  const begin = async (...offered: string[]): Promise<void> => {
    methods = offered;
    await flow.start();
    calls.length = 0;
  };

  it('keeps its other methods when it could not start again', async () => {
    await begin('code', 'totp', 'recovery');
    refusals.requestConfirmation = [UNREACHABLE];
    await flow.start();
    await flow.choose('recovery');

    expect(flow.state).toMatchObject({
      phase: 'open',
      method: 'recovery',
      others: ['code', 'totp'],
    });
  });

  it('keeps its other methods when it is started again while another call runs', async () => {
    await begin('code', 'totp', 'recovery');
    let release = (): void => undefined;
    held = new Promise((resolve) => {
      release = resolve;
    });
    refusals.confirm = [UNREACHABLE];
    const confirming = flow.confirm('123456');
    await flow.start();
    release();
    await confirming;
    await flow.choose('totp');

    expect(calls).toEqual(['confirm']);
    expect(flow.state.others).toEqual(['code', 'recovery']);
  });

  it('offers none of the methods of the last confirmation for a new one of which only the id is known', async () => {
    await begin('code', 'totp');
    refusals.requestConfirmation = [{ error: 'send-failed', status: 503, id: '2', retryAfter: 30 }];
    await flow.start();

    expect(flow.state).toMatchObject({ phase: 'open', id: '2', method: 'code', others: [] });
  });

  it.each([
    ['has no answer', UNREACHABLE],
    ['is answered that it does not work now', UNAVAILABLE],
    ['is answered by a proxy', BAD_GATEWAY],
  ])(
    'sends no message when the check of the remembered device %s, and repeats the check at the next start',
    async (_, problem) => {
      refusals.confirm = [problem];
      await begin('device', 'code');
      expect(flow.state).toMatchObject({
        phase: 'open',
        method: 'device',
        problem,
        others: ['code'],
      });
      await flow.start();

      expect(calls).toEqual(['confirm']);
      expect(flow.state.phase).toBe('confirmed');
    },
  );

  it('goes on with the next method when the device is unknown', async () => {
    refusals.confirm = [UNKNOWN_DEVICE];
    await begin('device', 'totp', 'code');

    expect(flow.state).toMatchObject({ phase: 'open', method: 'totp', others: ['code'] });
  });

  it('requests anew when the device is unknown and the person has no other method', async () => {
    refusals.confirm = [UNKNOWN_DEVICE];
    refusals.resend = [NOT_ALLOWED];
    await begin('device');
    expect(flow.state).toMatchObject({ phase: 'open', method: 'device', problem: NOT_ALLOWED });
    await flow.start();

    expect(calls).toEqual(['requestConfirmation', 'confirm']);
  });

  it('sends no further message after another call was refused for good, too', async () => {
    await begin('code');
    refusals.resend = [FOR_GOOD];
    await flow.resend();
    expect(flow.state).toMatchObject({ canResend: false, isOfMessage: true });
    for (const route of ['confirm', 'requestConfirmation'] as const) {
      refusals[route] = [FOR_GOOD];
      await (route === 'confirm' ? flow.confirm('123456') : flow.start());
      expect(flow.state).toMatchObject({
        phase: 'open',
        problem: FOR_GOOD as TwoFactorProblem,
        canResend: false,
        isOfMessage: false,
      });
    }
  });

  it('says nothing of a passkey that it no longer asks for', async () => {
    await begin('passkey');
    refusals.confirmWithPasskey = [UNREACHABLE];
    const end = new AbortController();
    const asking = flow.confirmWithPasskey(end.signal);
    end.abort();
    await asking;

    expect(flow.state).toMatchObject({ phase: 'open', isBusy: false, problem: null });
  });
});
