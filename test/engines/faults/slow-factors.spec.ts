// Each call about factors and queued messages on a database that is slow, or never answers: it ends in time, with an error of this package.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  DeliveryService,
  LimitService,
  recoveryCodes,
  rememberedDevices,
  totp,
} from '../../../lib/index.js';
import { enrolApp, factorsOf, TestAuthenticator } from '../../support/authenticator.js';
import { usedConfirmation } from '../../support/devices.js';
import { servers } from '../../support/engines.js';
import { FACTORS } from '../../support/factor-routes.js';
import { listen } from '../../support/listen.js';
import {
  expectNoStrayRejections,
  outcomeOf,
  quietly,
  startBehindProxy,
  type BehindProxy,
} from './behind-proxy.js';
import { UNAVAILABLE } from './public-calls.js';

/** The servers are tested side by side, as all wait for it. */
const TIMEOUT_MS = 5_000;
/** One statement ends in time, and two do not. */
const DELAY_MS = 4_250;
/** What a busy machine may need beside it. Two waits that add up take longer. */
const MARGIN_MS = 3_500;
const EVERY_STATEMENT = /two_factor_/;

expectNoStrayRejections();

describe.concurrent.each(servers)('Calls about factors on a slow %s', (engine) => {
  let behind: BehindProxy;
  let origin: string;
  let rounds = 0;

  beforeAll(async () => {
    behind = await startBehindProxy(engine, {
      ...quietly,
      options: {
        controller: true,
        databaseTimeoutMs: TIMEOUT_MS,
        delivery: 'queued',
        worker: false,
        methods: [
          totp({ issuer: 'ACME' }),
          recoveryCodes(),
          rememberedDevices({ token: () => undefined }),
        ],
        purposes: { factors: FACTORS },
      },
    });
    origin = await listen(behind.test.app);
    // Connections are open.
    await Promise.all(
      Array.from({ length: 10 }, () => factorsOf(behind.test).list({ subject: 'x' })),
    );
  });
  afterAll(() => behind.close());

  const post = async (route: string, subject: string, body: object): Promise<string> => {
    const { status } = await fetch(`${origin}/2factor/factors/${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-user': subject },
      body: JSON.stringify(body),
    });
    return status === 503 ? UNAVAILABLE : String(status);
  };

  /** Prepared directly, while all is well. */
  async function prepare(): Promise<readonly (readonly [string, () => Promise<unknown>])[]> {
    const { direct, test } = behind;
    const name = (of: string): string => `${of}-${rounds}`;
    rounds += 1;
    const ann = await enrolApp(direct, name('ann'));
    const { subject, factorId: factor } = ann;
    const pending = await factorsOf(direct).enrol({ subject: name('pending'), method: 'totp' });
    const app = new TestAuthenticator(pending.secret, direct.clock);
    const confirmation = await usedConfirmation(direct, name('device'));
    const allowed = { subject, methods: ['totp', 'recovery'] } as const;
    const byApp = await direct.confirmer.makeConfirmation(allowed);
    const byCode = await direct.confirmer.makeConfirmation(allowed);
    const { id: queued } = await direct.twoFactor.request({ token: `${name('q')}@example.com` });
    const factors = factorsOf(test);
    const deliveries = test.app.get(DeliveryService, { strict: false });
    const { confirmer } = test;
    return [
      ['enrol', () => factors.enrol({ subject: name('new'), method: 'totp' })],
      [
        'activate',
        () =>
          factors.activate({
            subject: name('pending'),
            factor: pending.factor.id,
            response: app.code(),
          }),
      ],
      ['rename', () => factors.rename({ subject, factor, label: 'x' })],
      ['remove', () => factors.remove({ subject, factor, allowLast: true })],
      ['regenerateRecoveryCodes', () => factors.regenerateRecoveryCodes({ subject })],
      [
        'import',
        () => factors.import({ subject: name('i'), method: 'totp', secret: ann.app.secret }),
      ],
      ['remember', () => factors.remember({ confirmation })],
      ['forgetDevices', () => factors.forgetDevices({ subject })],
      ['erase', () => factors.erase({ subject: name('erased') })],
      ['ConfirmerService.erase', () => confirmer.erase({ subject: name('erased') })],
      [
        'confirm by an app',
        () => confirmer.confirm(byApp.id, { method: 'totp', code: ann.app.code() }),
      ],
      [
        'confirm by a recovery code',
        () => confirmer.confirm(byCode.id, { method: 'recovery', code: ann.recoveryCodes[0]! }),
      ],
      ['sweep', () => deliveries.sweep()],
      ['status', () => deliveries.status(queued)],
      ['POST enrol', () => post('enrol', name('new'), { method: 'totp' })],
      ['POST remove', () => post('remove', subject, { factor })],
    ];
  }

  it.sequential('are refused when no statement is answered', async () => {
    const calls = await prepare();
    behind.proxy.trap(EVERY_STATEMENT, 'hold-request', Infinity);
    const ends = await endsOf(calls);
    behind.proxy.calm();

    expect(ends.map(({ name, outcome }) => [name, outcome])).toEqual(
      calls.map(([name]) => [name, UNAVAILABLE]),
    );
  });

  it.sequential.each([750, 1_500])(
    'do not add up the waits of a confirmation by an app, when each statement takes %d ms',
    async (delayMs) => {
      const isConfirmation = (name: string): boolean => name.startsWith('confirm by');
      const calls = (await prepare()).filter(([name]) => isConfirmation(name));
      behind.proxy.delayMs = delayMs;
      const ends = await endsOf(calls);
      behind.proxy.calm();

      expect(ends).toHaveLength(2);
      for (const { outcome, tookMs } of ends) {
        expect(outcome).toMatch(/^(?:TwoFactorUnavailableError|\[object Object\],true)$/);
        expect(tookMs).toBeLessThan(TIMEOUT_MS + MARGIN_MS);
      }
    },
  );

  it.sequential('charge no attempt at an app when its secret cannot be read', async () => {
    const { direct, test, proxy, row } = behind;
    const { subject, app } = await enrolApp(direct, 'unread');
    const { id } = await direct.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    const trap = proxy.trap(/^SELECT .* FROM .two_factor_factor. WHERE/, 'cut-before');

    const wrong = { method: 'totp', code: app.wrongCode() } as const;
    expect(await outcomeOf(test.confirmer.confirm(id, wrong))).toBe(UNAVAILABLE);

    expect(trap.caught).toBe(1);
    expect(await row(id)).toMatchObject({ attempts: 0, confirmedAt: null });
    const limits = direct.app.get(LimitService, { strict: false });
    expect((await limits.failures({ subject, method: 'totp' })).count).toBe(0);
  });

  it.sequential.each(['activate', 'remember'])('do not add up the waits of %s', async (name) => {
    const calls = (await prepare()).filter(([each]) => each === name);
    behind.proxy.delayMs = DELAY_MS;
    const [end] = await endsOf(calls);
    behind.proxy.calm();

    expect(end?.outcome).toBe(UNAVAILABLE);
    expect(end?.tookMs).toBeLessThan(TIMEOUT_MS + MARGIN_MS);
  });
});

async function endsOf(
  calls: readonly (readonly [string, () => Promise<unknown>])[],
): Promise<{ name: string; outcome: string; tookMs: number }[]> {
  const startedAt = performance.now();
  return Promise.all(
    calls.map(async ([name, call]) => {
      const outcome = await outcomeOf(call());
      return { name, outcome, tookMs: performance.now() - startedAt };
    }),
  );
}
