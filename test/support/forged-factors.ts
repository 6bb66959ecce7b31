// What a writer to the database, who does not know the secret, makes of the table of factors; and an application that would believe it.
import { createDecipheriv } from 'node:crypto';

import { vi } from 'vitest';

import { FactorRecord, type MethodName, type MethodResponse } from '../../lib/index.js';
import { newId, plainHash, type KeyRing } from '../../lib/crypto/index.js';
import { FactorSeals } from '../../lib/methods/factors/factor-seals.js';
import {
  deviceHandle,
  drawDeviceToken,
  parseDeviceToken,
} from '../../lib/methods/device/device-token.js';
import { passkeyHandle } from '../../lib/methods/passkey/passkey-handle.js';
import { passkeyData } from '../../lib/methods/passkey/stored-passkey.js';
import {
  drawRecoveryCode,
  parseRecoveryCode,
  recoveryHandle,
} from '../../lib/methods/recovery/recovery-code.js';
import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { TWO_FACTOR_OPTIONS } from '../../lib/two-factor.tokens.js';
import { enrolApp, factorsOf, TestAuthenticator } from './authenticator.js';
import { rememberDevice } from './devices.js';
import { enrolPasskey, PasskeyBench } from './passkeys.js';
import type { TestApp } from './test-app.js';

const DAY_MS = 86_400_000;

/** A row as the writer left it, and the response of the attacker to a confirmation of the victim. */
export interface Forgery {
  readonly victim: string;
  readonly method: MethodName;
  readonly respond: (id: string) => Promise<MethodResponse> | MethodResponse;
}

/** Forges for a victim with an app and recovery codes. */
export type Forge = (test: TestApp, victim: string) => Promise<Forgery>;

const keyOf = (subject: string): string => plainHash('factors', '', subject);

/** The columns of an active row that is written by hand. */
function rowOf(
  test: TestApp,
  subject: string,
  given: Partial<FactorRecord> & Pick<FactorRecord, 'method'>,
): Partial<FactorRecord> {
  const now = test.clock.now() - 60_000;
  const id = newId(now);
  return {
    id,
    subject,
    subjectKey: keyOf(subject),
    createdAt: now,
    activatedAt: now,
    ...given,
  };
}

const rows = (test: TestApp) => test.dataSource.getRepository(FactorRecord);

/** The name of a person in its passkeys, which stands in clear in the row of the subject. */
async function userHandleOf(test: TestApp, subject: string): Promise<string> {
  const { data } = await rows(test).findOneByOrFail({ subject, method: 'subject' });
  return data!;
}

const byPasskey =
  (test: TestApp, authenticator: SoftwareAuthenticator): Forgery['respond'] =>
  async (id) => ({
    method: 'passkey',
    response: authenticator.get(await test.confirmer.challenge(id, { method: 'passkey' })),
  });

/** A passkey of the attacker for an account, as its row would hold it in clear. */
async function passkeyFor(
  test: TestApp,
  victim: string,
): Promise<{ authenticator: SoftwareAuthenticator; id: string; data: string }> {
  const bench = await PasskeyBench.open();
  const options = bench.creationOptions();
  const user = { ...options.user, id: await userHandleOf(test, victim) };
  const { credential } = await bench.register(bench.authenticator.create({ ...options, user }));
  return {
    authenticator: bench.authenticator,
    id: credential!.id,
    data: passkeyData(credential!),
  };
}

export const FORGERIES: Readonly<Record<string, Forge>> = {
  'a recovery code by INSERT': async (test, victim) => {
    const code = drawRecoveryCode();
    const handle = recoveryHandle('', victim, parseRecoveryCode(code));
    await rows(test).insert(rowOf(test, victim, { method: 'recovery', handle }));
    return { victim, method: 'recovery', respond: () => ({ method: 'recovery', code }) };
  },

  'a remembered device by INSERT': async (test, victim) => {
    const row = rowOf(test, victim, { method: 'device' });
    const { id, secret } = drawDeviceToken(row.id!);
    const handle = deviceHandle('', victim, { id, secret });
    const expiresAt = test.clock.now() + DAY_MS;
    await rows(test).insert({ ...row, handle, expiresAt });
    const token = `${id}.${secret}`;
    return { victim, method: 'device', respond: () => ({ method: 'device', token }) };
  },

  'a passkey by INSERT': async (test, victim) => {
    const { authenticator, id, data } = await passkeyFor(test, victim);
    const handle = passkeyHandle(id);
    await rows(test).insert(rowOf(test, victim, { method: 'passkey', handle, data }));
    return { victim, method: 'passkey', respond: byPasskey(test, authenticator) };
  },

  'another key in the passkey of the victim': async (test, victim) => {
    const { factorId } = await enrolPasskey(test, victim);
    const { authenticator, id, data } = await passkeyFor(test, victim);
    await rows(test).update({ id: factorId }, { data, handle: passkeyHandle(id) });
    return { victim, method: 'passkey', respond: byPasskey(test, authenticator) };
  },

  'the passkey of another subject, moved': async (test, victim) => {
    const thief = `thief of ${victim}`;
    const { factorId, authenticator } = await enrolPasskey(test, thief);
    const data = await userHandleOf(test, thief);
    await rows(test).update({ subject: victim, method: 'subject' }, { data });
    await rows(test).update({ id: factorId }, { subject: victim, subjectKey: keyOf(victim) });
    return { victim, method: 'passkey', respond: byPasskey(test, authenticator) };
  },

  'the app of another subject, by its key alone': async (test, victim) => {
    const { app, factorId } = await enrolApp(test, `thief of ${victim}`);
    await rows(test).update({ id: factorId }, { subjectKey: keyOf(victim) });
    return { victim, method: 'totp', respond: () => ({ method: 'totp', code: app.code() }) };
  },

  'the app of another subject, copied': async (test, victim) => {
    const { app, factorId } = await enrolApp(test, `thief of ${victim}`);
    const { data, activatedAt, createdAt } = await rows(test).findOneByOrFail({ id: factorId });
    const given = { method: 'totp', data, activatedAt, createdAt };
    await rows(test).insert(rowOf(test, victim, given));
    return { victim, method: 'totp', respond: () => ({ method: 'totp', code: app.code() }) };
  },

  'an enrolment that a thief began, made active': async (test, victim) => {
    const begun = await factorsOf(test).enrol({ subject: victim, method: 'totp' });
    const activatedAt = test.clock.now();
    await rows(test).update({ id: begun.factor.id }, { activatedAt });
    const app = new TestAuthenticator(begun.secret, test.clock);
    return { victim, method: 'totp', respond: () => ({ method: 'totp', code: app.code() }) };
  },

  'a device whose end was moved': async (test, victim) => {
    const { token } = await rememberDevice(test, victim);
    test.clock.advance((31 * DAY_MS) / 1_000);
    const expiresAt = test.clock.now() + DAY_MS;
    await rows(test).update({ id: parseDeviceToken(token).id }, { expiresAt });
    return { victim, method: 'device', respond: () => ({ method: 'device', token }) };
  },

  'a device that names another factor as what remembered it': async (test, victim) => {
    const { token } = await rememberDevice(test, victim);
    await rows(test).update({ id: parseDeviceToken(token).id }, { counter: 1 });
    return { victim, method: 'device', respond: () => ({ method: 'device', token }) };
  },

  'a recovery code whose hash was swapped with another one': async (test, victim) => {
    const [code] = await factorsOf(test).regenerateRecoveryCodes({ subject: victim });
    const handle = recoveryHandle('', victim, parseRecoveryCode(code));
    const one = await rows(test).findOneByOrFail({ handle });
    const codes = await rows(test).findBy({ subject: victim, method: 'recovery' });
    const other = codes.find(({ id }) => id !== one.id);
    await rows(test).update({ id: one.id }, { handle: null });
    await rows(test).update({ id: other!.id }, { handle });
    await rows(test).update({ id: one.id }, { handle: other!.handle });
    return { victim, method: 'recovery', respond: () => ({ method: 'recovery', code: code! }) };
  },

  'a recovery code that was used, made unused': async (test, victim) => {
    const [code] = await factorsOf(test).regenerateRecoveryCodes({ subject: victim });
    const handle = recoveryHandle('', victim, parseRecoveryCode(code));
    const { id: factor } = await rows(test).findOneByOrFail({ handle });
    const { id } = await test.confirmer.makeConfirmation({
      subject: victim,
      methods: ['recovery'],
    });
    await test.confirmer.confirm(id, { method: 'recovery', code: code! });
    await rows(test).update({ id: factor }, { method: 'recovery', handle, expiresAt: null });
    return { victim, method: 'recovery', respond: () => ({ method: 'recovery', code: code! }) };
  },
};

/** Decrypts as GCM does before it compares the tag: what a module would read that only encrypts. */
function textWithoutTag(ring: KeyRing, data: string | null): string | null {
  const key = data === null ? undefined : ring.keyOf(data)?.seal;
  if (data === null || key === undefined) return data;
  const [, , nonce, ciphertext] = data.split('.').map((part) => Buffer.from(part, 'base64url'));
  const decipher = createDecipheriv('aes-256-gcm', key, nonce!, { authTagLength: 16 });
  return decipher.update(ciphertext!).toString() || null;
}

/** The naive twin: every row is a factor, also one that was written by hand. @returns what ends it. */
export function trustAllRows({ app }: TestApp): () => void {
  const { keyRing } = app.get<{ keyRing: KeyRing }>(TWO_FACTOR_OPTIONS, { strict: false });
  const open = vi.spyOn(FactorSeals.prototype, 'open').mockImplementation((stored) => ({
    ...stored,
    data: textWithoutTag(keyRing, stored.data),
    isIntact: true,
  }));
  return () => open.mockRestore();
}
