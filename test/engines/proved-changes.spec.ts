// A route of the application takes a proof and then changes the factors: what confirmed that proof may have been removed in between.
import { setTimeout as delay } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { enrolApp, factorsOf } from '../support/authenticator.js';
import { usedConfirmation } from '../support/devices.js';
import { engines, POOL_SIZE, servers } from '../support/engines.js';
import { LEVELS, setLevel } from '../support/isolation.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const REFUSED = { code: 'confirmation-required' };

/** An owner with an app and a passkey, and a proof by the app that a thief has used. */
interface Owner {
  readonly subject: string;
  readonly appId: string;
  readonly passkeyId: string;
  readonly confirmation: string;
}

async function ownerOf(test: TestApp, subject: string): Promise<Owner> {
  const { app, factorId: appId } = await enrolApp(test, subject);
  const { factorId: passkeyId } = await enrolPasskey(test, subject);
  const { id } = await test.confirmer.makeConfirmation({ subject, methods: ['totp'] });
  await test.confirmer.confirm(id, { method: 'totp', code: app.code() });
  expect(await test.confirmer.use(id, { subject })).toBe(true);
  return { subject, appId, passkeyId, confirmation: id };
}

const start = (engine: (typeof engines)[number]): Promise<TestApp> => {
  const options = { methods: PASSKEY_METHODS, limits: false, databaseTimeoutMs: 60_000 } as const;
  return startApp({ engine, options });
};

const rowsOf = ({ dataSource }: TestApp, subject: string): Promise<FactorRecord[]> =>
  dataSource.getRepository(FactorRecord).find({ where: { subject }, order: { id: 'ASC' } });

const changeable = ({ method }: FactorRecord): boolean => method !== 'subject';

describe.each(engines)('A change that names its proof, on %s', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await start(engine);
  });
  afterAll(() => test?.close());

  it('is refused, and changes nothing, when what confirmed the proof was removed after its use', async () => {
    const { subject, appId, passkeyId, confirmation } = await ownerOf(test, 'robbed');
    const factors = factorsOf(test);
    await factors.remove({ subject, factor: appId });
    const before = (await rowsOf(test, subject)).filter(changeable);

    const calls = [
      () => factors.enrol({ subject, method: 'totp', confirmation }),
      () => factors.enrol({ subject, method: 'passkey', confirmation }),
      () => factors.regenerateRecoveryCodes({ subject, confirmation }),
      () => factors.remove({ subject, factor: passkeyId, allowLast: true, confirmation }),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject(REFUSED);

    expect((await rowsOf(test, subject)).filter(changeable)).toEqual(before);
  });

  it('is made in the naive twin, which does not name the proof', async () => {
    const { subject, appId } = await ownerOf(test, 'robbed-in-the-twin');
    await factorsOf(test).remove({ subject, factor: appId });

    await factorsOf(test).enrol({ subject, method: 'totp' });

    const pending = (await rowsOf(test, subject)).filter((row) => row.activatedAt === null);
    expect(pending.map(({ method }) => method)).toContain('totp');
  });

  it('is made when what confirmed the proof is there, and by a sent code', async () => {
    const { subject, passkeyId, confirmation } = await ownerOf(test, 'owner');
    const factors = factorsOf(test);
    expect(await factors.regenerateRecoveryCodes({ subject, confirmation })).toHaveLength(10);
    const { factor } = await factors.enrol({ subject, method: 'totp', confirmation });
    expect(await factors.remove({ subject, factor: passkeyId, confirmation })).toBe(true);
    expect((await rowsOf(test, subject)).map(({ id }) => id)).not.toContain(factor.id);

    const [state] = await test.confirmer.check(await usedConfirmation(test, 'new-person'));
    const begun = factors.enrol({ subject: 'new-person', method: 'totp', confirmation: state! });
    expect(await begun).toMatchObject({ factor: { method: 'totp' } });
  });

  it('is refused with a proof that is not used, of another subject, or unknown', async () => {
    const { subject } = await ownerOf(test, 'careful');
    const { id: unused } = await test.confirmer.makeConfirmation({ subject, isConfirmed: true });
    const foreign = await usedConfirmation(test, 'another');
    for (const confirmation of [unused, foreign, '0'.repeat(36)]) {
      await expect(
        factorsOf(test).enrol({ subject, method: 'totp', confirmation }),
      ).rejects.toMatchObject(REFUSED);
    }
  });
});

const cells = servers.flatMap((engine) => LEVELS.map((level) => ({ engine, level })));

describe.each(cells)('A change that waits for a removal, on $engine under $level', (cell) => {
  it('is refused after it', async () => {
    const test = await start(cell.engine);
    await setLevel(test.dataSource, cell.level, POOL_SIZE);
    try {
      const { subject, appId, confirmation } = await ownerOf(test, 'robbed');
      let begun: Promise<unknown> | undefined;

      await test.dataSource.transaction(async (manager) => {
        await factorsOf(test).remove({ subject, factor: appId, manager });
        begun = factorsOf(test).enrol({ subject, method: 'totp', confirmation });
        begun.catch(() => undefined);
        await delay(200);
      });

      await expect(begun).rejects.toMatchObject(REFUSED);
      const pending = (await rowsOf(test, subject)).filter((row) => row.activatedAt === null);
      expect(pending.filter(changeable)).toEqual([]);
    } finally {
      await test.close();
    }
  });
});
