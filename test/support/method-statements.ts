// Counts the statements of every step of the methods beside codes, for the second table of docs/statements.md.
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';

import type { PurposeDefinition } from '../../lib/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { enrolApp, factorsOf, TestAuthenticator } from './authenticator.js';
import { rememberDevice, usedConfirmation } from './devices.js';
import type { EngineName } from './engines.js';
import { enrolPasskey, ORIGIN, PASSKEY_METHODS } from './passkeys.js';
import { startApp, type TestApp } from './test-app.js';

/** Prepares its step, and returns the operation whose statements are counted. */
type Step = (test: TestApp, subject: string) => Promise<() => Promise<unknown>>;

const make = async (
  test: TestApp,
  subject: string,
  method: 'device' | 'passkey' | 'recovery' | 'totp',
): Promise<string> =>
  (await test.confirmer.makeConfirmation({ subject, methods: [method], purpose: 'login' })).id;

const byApp =
  (isRight: boolean): Step =>
  async (test, subject) => {
    const { app } = await enrolApp(test, subject);
    const id = await make(test, subject, 'totp');
    const code = isRight ? app.code() : app.wrongCode();
    return () => test.confirmer.confirm(id, { method: 'totp', code });
  };

const SUBJECT = { subject: () => 'ann', recipient: () => 'ann@example.com' } as const;
const PURPOSES = {
  listed: { ...SUBJECT, methods: ['totp', 'code'] },
  chosen: { ...SUBJECT, methods: () => ['totp', 'code'] },
} satisfies Record<string, PurposeDefinition>;

/** The context of a call over HTTP, as far as the purposes of these tests read it. */
const CONTEXT = new ExecutionContextHost([{ headers: {} }]);

async function used(
  test: TestApp,
  subject: string,
  purpose: keyof typeof PURPOSES,
): Promise<() => Promise<unknown>> {
  const { app } = await enrolApp(test, subject);
  const { id } = await test.confirmer.makeConfirmation({ subject, purpose, methods: ['totp'] });
  await test.confirmer.confirm(id, { method: 'totp', code: app.code() });
  return () => test.confirmer.use(id, { subject, purpose, context: CONTEXT });
}

const STEPS: Readonly<Record<string, Step>> = {
  'enrol: app': async (test, subject) => {
    return () => factorsOf(test).enrol({ subject, method: 'totp' });
  },
  'activate: first app, with ten recovery codes': async (test, subject) => {
    const factors = factorsOf(test);
    const { factor, secret } = await factors.enrol({ subject, method: 'totp' });
    const app = new TestAuthenticator(secret, test.clock);
    return () => factors.activate({ subject, factor: factor.id, response: app.code() });
  },
  'activate: passkey beside an app': async (test, subject) => {
    await enrolApp(test, subject);
    const factors = factorsOf(test);
    const { factor, options } = await factors.enrol({ subject, method: 'passkey' });
    const response = new SoftwareAuthenticator({ origin: ORIGIN }).create(options);
    return () => factors.activate({ subject, factor: factor.id, response });
  },
  list: async (test, subject) => {
    await enrolApp(test, subject);
    return () => factorsOf(test).list({ subject });
  },
  'request: begins with the app': async (test, subject) => {
    await enrolApp(test, subject);
    const given = { subject, purpose: 'login', methods: ['totp', 'recovery'] } as const;
    return () => test.twoFactor.request({ ...given, requester: '192.0.2.1' });
  },
  'challenge: passkey': async (test, subject) => {
    await enrolPasskey(test, subject);
    const id = await make(test, subject, 'passkey');
    return () => test.confirmer.challenge(id, { method: 'passkey' });
  },
  'confirm: app, wrong code': byApp(false),
  'confirm: app, right code': byApp(true),
  'confirm: passkey': async (test, subject) => {
    const { authenticator } = await enrolPasskey(test, subject);
    const id = await make(test, subject, 'passkey');
    const response = authenticator.get(await test.confirmer.challenge(id, { method: 'passkey' }));
    return () => test.confirmer.confirm(id, { method: 'passkey', response });
  },
  'confirm: recovery code': async (test, subject) => {
    const { recoveryCodes } = await enrolApp(test, subject);
    const id = await make(test, subject, 'recovery');
    return () => test.confirmer.confirm(id, { method: 'recovery', code: recoveryCodes[0]! });
  },
  'confirm: remembered device': async (test, subject) => {
    const { token } = await rememberDevice(test, subject);
    const id = await make(test, subject, 'device');
    return () => test.confirmer.confirm(id, { method: 'device', token });
  },
  'use: by one of the given methods': async (test, subject) => {
    const confirm = await byApp(true)(test, subject);
    const [{ id }] = (await confirm()) as [{ id: string }];
    const confirmedBy = ['totp', 'passkey'] as const;
    return () => test.confirmer.use(id, { subject, purpose: 'login', confirmedBy });
  },
  'use: of a purpose with a list of methods': (test, subject) => used(test, subject, 'listed'),
  'use: of a purpose whose methods are a function': (test, subject) =>
    used(test, subject, 'chosen'),
  'resend: first code, after another method': async (test, subject) => {
    await enrolApp(test, subject);
    const token = `${subject}@example.com`;
    const methods = ['totp', 'code'] as const;
    const { id } = await test.twoFactor.request({ subject, purpose: 'login', methods, token });
    return () => test.twoFactor.resend(id, { token });
  },
  'remember a device': async (test, subject) => {
    const confirmation = await usedConfirmation(test, subject);
    return () => factorsOf(test).remember({ confirmation });
  },
  'replace the ten recovery codes': async (test, subject) => {
    await enrolApp(test, subject);
    return () => factorsOf(test).regenerateRecoveryCodes({ subject });
  },
  'rename a factor': async (test, subject) => {
    const { factorId: factor } = await enrolApp(test, subject);
    return () => factorsOf(test).rename({ subject, factor, label: 'Phone' });
  },
  'remove a passkey beside an app': async (test, subject) => {
    await enrolApp(test, subject);
    const { factorId: factor } = await enrolPasskey(test, subject);
    return () => factorsOf(test).remove({ subject, factor });
  },
};

/** The number of statements of every step, with the limits at their defaults. What begins and ends a transaction is not counted. */
export async function countMethodStatements(engine: EngineName): Promise<Record<string, number>> {
  const given = { methods: PASSKEY_METHODS, purposes: PURPOSES };
  const options = { limits: {}, env: false as const, ...given };
  const test = await startApp({ engine, options });
  const counts: Record<string, number> = {};
  for (const [index, [name, prepare]] of Object.entries(STEPS).entries()) {
    const operation = await prepare(test, `subject-${index}`);
    counts[name] = (await test.log.during(operation)).length;
  }
  await test.close();
  return counts;
}
