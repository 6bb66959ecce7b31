// A rotation of the secret: thousands of apps are sealed again while people confirm by them.
import { createHash } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord, type TwoFactorModuleOptions } from '../../lib/index.js';
import { KeyRing, newId, plainHash } from '../../lib/crypto/index.js';
import { bytesOfBase32 } from '../../lib/methods/totp/base32.js';
import { FactorSeals } from '../../lib/methods/factors/factor-seals.js';
import { parseImported, totpData, totpOf } from '../../lib/methods/totp/totp-secret.js';
import { enrolApp, factorsOf, TestAuthenticator } from '../support/authenticator.js';
import { IS_LONG } from '../rounds.js';
import { engines } from '../support/engines.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { rememberDevice } from '../support/devices.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';
import { secretOf } from '../support/secret.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** People who confirm while the apps are sealed again. */
const ACTIVE = 200;
const PER_INSERT = 500;
/** One statement for each app, on a machine that others use. */
const LONG = { timeout: 300_000 };

const [OLD, NEXT] = [secretOf('the old secret'), secretOf('the next secret')];
const bytesOf = (secret: string): Buffer => Buffer.from(secret);
const [OLD_RING, NEW_RING] = [OLD, NEXT].map((secret) => KeyRing.fromSecrets([bytesOf(secret)]));

/** 32 characters of base32, different ones for each subject. */
function appSecretOf(subject: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const hash = createHash('sha256').update(subject).digest();
  return Array.from(hash, (byte) => alphabet[byte % alphabet.length]).join('');
}

describe.each(engines.filter((engine) => engine !== 'sqljs'))('A rotation on %s', (engine) => {
  const APPS = engine === 'postgres' || IS_LONG ? 10_000 : 2_000;
  let before: TestApp;
  let during: TestApp[];
  const start = (options: TwoFactorModuleOptions): Promise<TestApp> =>
    startApp({
      engine,
      ...(before !== undefined && { database: before.database }),
      options: { methods: PASSKEY_METHODS, databaseTimeoutMs: 60_000, ...options },
      dataSource: { poolSize: 5 },
    });
  const confirm = async (test: TestApp, subject: string): Promise<boolean> => {
    const app = new TestAuthenticator(appSecretOf(subject), test.clock);
    const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
    return (await test.confirmer.confirm(id, { method: 'totp', code: app.code() }))[1];
  };
  const subjectOf = (index: number): string => `${engine}-${index}`;

  beforeAll(async () => {
    before = await start({ secret: OLD });
    const repository = before.dataSource.getRepository(FactorRecord);
    const now = before.clock.now() - 60_000;
    const seals = new FactorSeals(OLD_RING!);
    for (let first = 0; first < APPS; first += PER_INSERT) {
      const rows = Array.from({ length: PER_INSERT }, (_, offset) => {
        const owner = subjectOf(first + offset);
        const id = newId(now);
        const row = {
          id,
          subject: owner,
          method: 'totp',
          handle: null,
          counter: 0,
          createdAt: now,
          activatedAt: now,
          expiresAt: null,
        };
        const data = totpData(parseImported({ secret: appSecretOf(owner) }));
        return {
          ...row,
          application: '',
          subjectKey: plainHash('factors', '', owner),
          data: seals.seal({ ...row, data }),
        };
      });
      await repository.insert(rows);
    }
    const both = { secret: undefined, secrets: [NEXT, OLD] };
    during = [await start(both), await start(both)];
  });
  afterAll(async () => {
    for (const each of [...during.toReversed(), before]) await each.close();
  });

  it(
    'seals thousands of apps again while people confirm, and all of them stay usable',
    LONG,
    async () => {
      const repository = before.dataSource.getRepository(FactorRecord);
      // One whose activation is still to come, and one whose secret is gone already.
      const pending = await factorsOf(before).enrol({ subject: 'pending', method: 'totp' });
      const lost = (await enrolApp(before, 'lost')).factorId;
      const gone = KeyRing.fromSecrets([bytesOf(secretOf('a secret that is gone'))]);
      const { data: _, ...row } = await repository.findOneByOrFail({ id: lost });
      const data = new FactorSeals(gone).seal(Object.assign(row, { data: '{}' }));
      await repository.update({ id: lost }, { data });
      const codesOfLost = 10;

      let isOver = false;
      let letGo: () => void = () => undefined;
      const someoneHasConfirmed = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      let resealed = 0;
      // It goes on to the second half when the first person has confirmed, on a machine of any speed.
      interceptStatements(during[0]!.dataSource, async (sql, run) => {
        if (/^UPDATE .two_factor_factor/.test(sql)) resealed += 1;
        if (resealed > APPS / 2) await someoneHasConfirmed;
        return run();
      });
      const resealing = factorsOf(during[0]!)
        .reseal()
        .finally(() => (isOver = true));
      const confirmed: boolean[] = [];
      let meanwhile = 0;
      for (let index = 0; index < ACTIVE; index += 1) {
        // From all over the table, so that some are sealed again before, some during and some after their confirmation.
        const owner = subjectOf((index * 7919) % APPS);
        confirmed.push(await confirm(during[(index + 1) % during.length]!, owner));
        letGo();
        if (!isOver) meanwhile += 1;
      }
      const result = await resealing;

      expect(confirmed).toEqual(Array.from({ length: ACTIVE }, () => true));
      expect(meanwhile).toBeGreaterThan(0);
      expect(result).toEqual({
        resealed: APPS + codesOfLost,
        left: { [OLD_RING!.current.kid]: 1, [gone.current.kid]: 1 },
        isComplete: true,
      });
      const newSeals = new FactorSeals(NEW_RING!);
      const rows = await repository.findBy({ method: 'totp' });
      const unusable = rows.filter(({ subject, data: sealed, ...factor }) => {
        const { data: opened } = newSeals.open({ ...factor, subject, data: sealed }, subject);
        const right = bytesOfBase32(appSecretOf(subject))!;
        return opened === null || !right.equals(totpOf(opened).secret);
      });
      expect(rows).toHaveLength(APPS + 2);
      expect(unusable.map(({ subject }) => subject).toSorted()).toEqual(['lost', 'pending']);

      // The enrolment goes on, and its activation seals it under the new secret.
      const [instance] = during;
      const response = new TestAuthenticator(pending.secret, instance!.clock).code();
      const activation = { subject: 'pending', factor: pending.factor.id, response };
      expect(await factorsOf(instance!).activate(activation)).not.toBeNull();
      await repository.delete({ id: lost });
      expect(await factorsOf(instance!).reseal()).toEqual({
        resealed: 0,
        left: {},
        isComplete: true,
      });

      // Without the old secret.
      const after = await start({ secret: NEXT });
      after.clock.advance(3_600);
      for (let index = 0; index < APPS; index += APPS / 50) {
        expect(await confirm(after, subjectOf(index))).toBe(true);
      }
      await after.close();
    },
  );

  it('moves recovery codes, devices and passkeys too, which the old secret confirms no longer without it', async () => {
    const subject = 'has all methods';
    const { recoveryCodes } = await enrolApp(before, subject);
    const { authenticator } = await enrolPasskey(before, subject);
    const { token } = await rememberDevice(before, subject);
    const confirmAll = async (test: TestApp, code: string): Promise<boolean[]> => {
      // The enrolments have moved on the clock of their application alone. A confirmation from before them is none for these factors.
      const behindMs = Math.max(0, before.clock.now() - test.clock.now());
      test.clock.advance(behindMs / 1_000);
      const methods = ['recovery', 'device', 'passkey'] as const;
      const make = async (): Promise<string> =>
        (await test.confirmer.makeConfirmation({ subject, methods })).id;
      const outcomes = [
        await test.confirmer.confirm(await make(), { method: 'recovery', code }),
        await test.confirmer.confirm(await make(), { method: 'device', token }),
      ];
      const id = await make();
      const options = await test.confirmer.challenge(id, { method: 'passkey' }).catch(() => null);
      if (options === null) return [...outcomes.map(([, done]) => done), false];
      const response = authenticator.get(options);
      const byPasskey = await test.confirmer.confirm(id, { method: 'passkey', response });
      return [...outcomes, byPasskey].map(([, done]) => done);
    };

    const alone = await start({ secret: NEXT });
    expect(await confirmAll(alone, recoveryCodes[0]!)).toEqual([false, false, false]);
    expect(await confirmAll(during[0]!, recoveryCodes[0]!)).toEqual([true, true, true]);
    // The app, nine codes, the device and the passkey.
    expect(await factorsOf(during[1]!).reseal()).toMatchObject({ resealed: 12, left: {} });
    expect(await confirmAll(alone, recoveryCodes[1]!)).toEqual([true, true, true]);
    await alone.close();
  });

  it('counts a factor under the key id that stands in its row, whatever a writer has put there', async () => {
    const { factorId } = await enrolApp(before, 'written by hand');
    const repository = before.dataSource.getRepository(FactorRecord);
    await repository.update({ id: factorId }, { data: 'v1.__proto__.by.hand' });

    const { left } = await factorsOf(during[0]!).reseal();
    await repository.delete({ id: factorId });

    // `mayRemoveOldSecret` in the docs asks for the number of these keys.
    expect(Object.entries(left)).toEqual([['__proto__', 1]]);
  });

  it('says that it has not read all when it is stopped', async () => {
    const stopped = await factorsOf(during[0]!).reseal({ signal: AbortSignal.abort() });

    expect(stopped).toEqual({ resealed: 0, left: {}, isComplete: false });
  });

  it('confirms by a challenge that was issued before it', async () => {
    const { subject, authenticator } = await enrolPasskey(before, 'holder');
    const { id } = await before.confirmer.makeConfirmation({ subject, methods: ['passkey'] });
    const options = await before.confirmer.challenge(id, { method: 'passkey' });
    const response = authenticator.get(options);

    await factorsOf(during[0]!).reseal();
    const again = await during[0]!.confirmer.challenge(id, { method: 'passkey' });

    expect(again.challenge).toBe(options.challenge);
    expect(await during[1]!.confirmer.confirm(id, { method: 'passkey', response })).toMatchObject([
      {},
      true,
    ]);
  });
});
