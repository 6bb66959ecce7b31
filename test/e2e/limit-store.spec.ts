import { afterEach, describe, expect, it } from 'vitest';

import {
  LimitService,
  TWO_FACTOR_LIMIT_STORE,
  TwoFactorConfigurationError,
  TwoFactorInputError,
  TwoFactorUnavailableError,
  type FailureScope,
  type ConsumeResult,
  type QuotaUsage,
  type LimitsOptions,
  type LimitStore,
} from '../../lib/index.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** A store that keeps nothing, and fails when a test asks for a failure. */
class BrokenStore implements LimitStore {
  isDown = false;
  readonly calls: string[] = [];

  async consume(): Promise<ConsumeResult> {
    this.#called('consume');
    return { exhausted: [], consumed: [] };
  }

  async refund(): Promise<void> {
    this.#called('refund');
  }

  async release(): Promise<void> {
    this.#called('release');
  }

  async read(): Promise<readonly QuotaUsage[]> {
    this.#called('read');
    return [];
  }

  #called(name: string): void {
    this.calls.push(name);
    if (this.isDown) throw new Error('ECONNREFUSED 10.0.0.7');
  }
}

describe('A limit store of the application', () => {
  let test: TestApp | undefined;
  afterEach(async () => {
    await test?.close();
    test = undefined;
  });

  async function start(limits: LimitsOptions = {}): Promise<BrokenStore> {
    const store = new BrokenStore();
    const limitStore = { provide: TWO_FACTOR_LIMIT_STORE, useValue: store };
    test = await startApp({ options: { limits, limitStore } });
    return store;
  }

  it('is asked before each confirmation, message and comparison, and told of a success', async () => {
    const store = await start();
    const { state } = await test!.twoFactor.request({ token: 'ann@example.com' });
    expect(store.calls).toEqual(['consume']);
    await test!.confirmer.confirm(state.id, 'WRONGCODE');
    expect(store.calls).toEqual(['consume', 'consume']);
    await test!.confirmer.confirm(state.id, state.code!);
    expect(store.calls).toEqual(['consume', 'consume', 'consume', 'release']);
  });

  it.each<[string, FailureScope, LimitsOptions]>([
    ['a token', { token: 'ann@example.com' }, {}],
    ['a subject and its token', { subject: 'ann', token: 'ann@example.com' }, {}],
    ['a subject', { subject: 'ann' }, {}],
    ['a token, with messages switched off', { token: 'ann@example.com' }, { sendsPerToken: false }],
  ])('clears failures before messages when %s is reset', async (_, scope, limits) => {
    const store = await start(limits);

    await test!.app.get(LimitService, { strict: false }).reset(scope);

    const isOff = 'sendsPerToken' in limits;
    expect(store.calls).toEqual(isOff ? ['release'] : ['release', 'release']);
  });

  it('refuses everything that it limits when it is down, and charges nothing else (case 78)', async () => {
    const store = await start();
    const { state } = await test!.twoFactor.request({ token: 'ann@example.com' });
    const sent = test!.inbox.deliveries.length;
    store.isDown = true;
    test!.clock.advance(30);

    for (const call of [
      () => test!.confirmer.confirm(state.id, state.code!),
      () => test!.confirmer.makeConfirmation({ token: 'ann@example.com' }),
      () => test!.twoFactor.request({ token: 'ann@example.com' }),
      () => test!.twoFactor.resend(state.id),
      () => test!.app.get(LimitService, { strict: false }).reset({ token: 'ann@example.com' }),
      () => test!.app.get(LimitService, { strict: false }).failures({ subject: 'ann' }),
    ]) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TwoFactorUnavailableError);
      expect(error).toMatchObject({ code: 'temporarily-unavailable', limit: null });
      expect(String(error)).not.toContain('10.0.0.7');
    }
    const [after] = await test!.confirmer.check(state.id);
    expect(after).toMatchObject({ status: 'pending', attemptsLeft: 5 });
    expect(test!.inbox.deliveries).toHaveLength(sent);

    store.isDown = false;
    expect((await test!.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
  });

  it('that fails to take note of a success does not undo it', async () => {
    const store = await start();
    const { state } = await test!.twoFactor.request({ token: 'ann@example.com' });
    const charge = store.consume.bind(store);
    store.consume = async () => {
      const answer = await charge();
      store.isDown = true;
      return answer;
    };

    expect((await test!.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    expect(store.calls.at(-1)).toBe('release');
  });
});

describe('The limits in the database', () => {
  it('name the migrations to run when their table is missing', async () => {
    const test = await startApp({ options: { limits: {} } });
    await test.dataSource.query('DROP TABLE two_factor_limit');
    const error = await test.twoFactor
      .request({ token: 'ann@example.com' })
      .catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect(String(error)).toContain('twoFactorMigrations');
    await test.close();
  });

  it('need no table when all of them are off', async () => {
    const test = await startApp({ options: { limits: false } });
    await test.dataSource.query('DROP TABLE two_factor_limit');
    const { state } = await test.twoFactor.request({ token: 'ann@example.com' });

    expect((await test.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    await test.close();
  });

  it.each([
    {},
    { token: '' },
    { token: 5 },
    { subject: '' },
    { subject: 'ann', token: '' },
    { subject: 'ann', token: null },
    null,
  ])('are reset for a token, for a subject, or for both, and not for %o', async (whose) => {
    const test = await startApp({ options: { limits: {} } });
    const limits = test.app.get(LimitService, { strict: false });
    await expect(limits.reset(whose as never)).rejects.toThrow(TwoFactorInputError);
    await expect(limits.failures(whose as never)).rejects.toThrow(TwoFactorInputError);
    await test.close();
  });
});
