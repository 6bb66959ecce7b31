// The routes of the factors and of passkeys, called by the client on a real application. A client that sends a body or a proof which
// the server does not take leaves a person without a way to remove the authenticator of a lost phone.
import {
  createTwoFactorClient,
  type TwoFactorClient,
  type TwoFactorResult,
} from 'nestjs-two-factor/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { TestAuthenticator } from '../support/authenticator.js';
import { rememberDevice } from '../support/devices.js';
import { FACTORS, MANY } from '../support/factor-routes.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { ORIGIN, PASSKEY_METHODS } from '../support/passkeys.js';

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string;
const ENROL_APP = { change: 'enrol', method: 'totp' };

describe('The client at the routes of the factors', () => {
  let test: HttpTestApp;
  let url: string;
  let users = 0;
  let user: string;
  let client: TwoFactorClient;

  beforeAll(async () => {
    test = await startHttpApp({
      options: {
        controller: true,
        methods: PASSKEY_METHODS,
        limits: MANY,
        purposes: {
          factors: FACTORS,
          login: { ...FACTORS, methods: ['device', 'passkey', 'totp', 'code', 'recovery'] },
        },
      },
    });
    url = `${(await test.app.getUrl()).replace('[::1]', '127.0.0.1')}/2factor`;
  });
  beforeEach(() => {
    users += 1;
    user = `user${users}`;
    client = clientOf(user);
  });
  afterAll(() => test?.close());

  const clientOf = (name: string, headers: Record<string, string> = {}): TwoFactorClient =>
    createTwoFactorClient({ url, headers: async () => ({ 'x-user': name, ...headers }) });

  function valueOf<T>(result: TwoFactorResult<T>): T {
    if (!result.ok) throw new Error(`It was refused: ${JSON.stringify(result.problem)}`);
    return result.value;
  }

  /** A proof for one change: by the app, or without one by a sent code. */
  async function proofFor(details: object, app?: TestAuthenticator): Promise<{ proof: string }> {
    const { id } = valueOf(await client.requestConfirmation({ purpose: 'factors', details }));
    const body = app
      ? ({ id, method: 'totp', code: app.code() } as const)
      : { id, code: test.inbox.lastCode };
    valueOf(await client.confirm(body));
    test.clock.advance(30);
    return { proof: id };
  }

  async function enrolApp(): Promise<{ factor: string; app: TestAuthenticator }> {
    const body = { method: 'totp', label: 'Phone', account: 'ann@example.com' } as const;
    const begun = valueOf(await client.factors.enrol(body, await proofFor(ENROL_APP)));
    expect(begun.uri).toContain('otpauth://totp/ACME:ann%40example.com?secret=');
    const app = new TestAuthenticator(begun.secret, test.clock);
    const factor = begun.factor.id;
    const wrong = await client.factors.activate({ factor, response: app.wrongCode() });
    expect(wrong).toMatchObject({ ok: false, problem: { error: 'code-mismatch', status: 422 } });
    expect(!wrong.ok && 'attemptsLeft' in wrong.problem).toBe(false);
    const active = valueOf(await client.factors.activate({ factor, response: app.code() }));
    expect(active.recoveryCodes).toHaveLength(10);
    test.clock.advance(30);
    return { factor, app };
  }

  it('enrols an app, renames it, replaces the recovery codes and removes it, each with its proof', async () => {
    const { factor, app } = await enrolApp();
    const { factors } = client;
    expect(valueOf(await factors.list())).toEqual({
      factors: [
        { id: factor, method: 'totp', label: 'Phone', createdAt: ISO, lastUsedAt: ISO },
        {
          id: 'recovery',
          method: 'recovery',
          label: '',
          createdAt: ISO,
          lastUsedAt: null,
          left: 10,
        },
      ],
    });

    const rename = await proofFor({ change: 'rename', factor }, app);
    const renamed = { factor, label: 'Old phone' };
    expect(valueOf(await factors.rename(renamed, rename))).toEqual(renamed);
    const replace = await proofFor({ change: 'recovery-codes' }, app);
    expect(valueOf(await factors.recoveryCodes(replace)).recoveryCodes).toHaveLength(10);
    const remove = await proofFor({ change: 'remove', factor }, app);
    expect(await factors.remove({ factor }, remove)).toMatchObject({
      problem: { error: 'last-factor', status: 409 },
    });
    const last = { factor, allowLast: true };
    const removeLast = await proofFor({ change: 'remove', ...last }, app);
    expect(valueOf(await factors.remove(last, removeLast))).toEqual({
      factor,
      removed: true,
    });
    expect(valueOf(await factors.list())).toEqual({ factors: [] });
  });

  it('returns what each change without its proof is refused with', async () => {
    const { factor, app } = await enrolApp();
    const { factors } = client;
    const other = await proofFor({ change: 'rename', factor: 'recovery' }, app);

    for (const options of [undefined, other]) {
      for (const result of [
        await factors.enrol({ method: 'totp' }, options),
        await factors.rename({ factor, label: 'x' }, options),
        await factors.remove({ factor, allowLast: true }, options),
        await factors.recoveryCodes(options),
      ]) {
        expect(result).toMatchObject({ ok: false, problem: { error: 'confirmation-required' } });
      }
    }
  });

  it('enrols a passkey, and confirms by what the browser answers to a challenge', async () => {
    const browser = new SoftwareAuthenticator({ origin: ORIGIN });
    const begun = valueOf(
      await client.factors.enrol(
        { method: 'passkey', label: 'Laptop' },
        await proofFor({ change: 'enrol', method: 'passkey' }),
      ),
    );
    const factor = begun.factor.id;
    const registration = browser.create(begun.options as Parameters<typeof browser.create>[0]);
    valueOf(await client.factors.activate({ factor, response: registration }));
    expect(valueOf(await client.factors.list()).factors[0]).toMatchObject({
      id: factor,
      method: 'passkey',
      label: 'Laptop',
      isSynced: false,
    });

    const asked = valueOf(await client.requestConfirmation({ purpose: 'login' }));
    expect(asked).toMatchObject({ method: 'passkey', methods: ['passkey', 'code', 'recovery'] });
    const options = valueOf(await client.challenge(asked.id));
    const response = browser.get(options as Parameters<typeof browser.get>[0]);
    expect(valueOf(await client.confirm({ id: asked.id, method: 'passkey', response }))).toEqual({
      id: asked.id,
      confirmed: true,
    });
    expect(await client.challenge(asked.id)).toMatchObject({
      problem: { error: 'already-confirmed' },
    });
  });

  it('confirms by a remembered device, and lists until when it is remembered', async () => {
    await enrolApp();
    const { token } = await rememberDevice(test, user);
    const known = clientOf(user, { 'x-device': token });
    const { id, methods } = valueOf(await known.requestConfirmation({ purpose: 'login' }));
    expect(methods).toContain('device');

    expect(await clientOf(user).confirm({ id, method: 'device' })).toMatchObject({ ok: false });
    expect(await known.confirm({ id, method: 'device' })).toMatchObject({ ok: true });
    const { factors } = valueOf(await client.factors.list());
    expect(factors.find(({ method }) => method === 'device')).toMatchObject({ expiresAt: ISO });
  });
});
