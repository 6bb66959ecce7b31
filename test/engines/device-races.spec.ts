// One token of a remembered device, and one credential of a passkey, in many calls at once.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { factorsOf } from '../support/authenticator.js';
import { rememberDevice, usedConfirmation } from '../support/devices.js';
import { engines } from '../support/engines.js';
import { NaiveFactors } from '../support/naive-factors.js';
import { ORIGIN, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const COPIES = 40;
const ROUNDS = 3;

/** A database of sql.js belongs to one application, in which the calls for one confirmation wait for each other. */
const shared = engines.filter((engine) => engine !== 'sqljs');

async function winners(calls: readonly (() => Promise<boolean>)[]): Promise<number> {
  const answers = await Promise.all(calls.map((call) => call()));
  return answers.filter(Boolean).length;
}

describe.each(shared)('Races of remembered devices on %s', (engine) => {
  let all: TestApp[];
  let naive: NaiveFactors;
  let subjects = 0;

  beforeAll(async () => {
    const options = { limits: {}, methods: PASSKEY_METHODS, databaseTimeoutMs: 60_000 };
    const dataSource = { poolSize: 5 };
    const first = await startApp({ engine, options, dataSource });
    all = [first];
    for (let count = 0; count < 3; count += 1) {
      all.push(await startApp({ engine, database: first.database, options, dataSource }));
    }
    naive = new NaiveFactors(first.dataSource);
  });
  afterAll(async () => {
    for (const each of all.toReversed()) await each.close();
  });

  /** The applications in turns: each has its own clock, which is set to that of the first one. */
  function instance(index: number): TestApp {
    const each = all[index % all.length]!;
    each.clock.advance((all[0]!.clock.now() - each.clock.now()) / 1_000);
    return each;
  }

  const nextSubject = (): string => `${engine}-${(subjects += 1)}`;
  const make = async (subject: string): Promise<string> =>
    (await all[0]!.confirmer.makeConfirmation({ subject, methods: ['device'] })).id;
  const confirm = (index: number, id: string, token: string) => async (): Promise<boolean> =>
    (await instance(index).confirmer.confirm(id, { method: 'device', token }))[1];
  const repositoryOf = () => all[0]!.dataSource.getRepository(FactorRecord);

  it('confirms one confirmation once by 40 copies of one token', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = nextSubject();
      const { token } = await rememberDevice(all[0]!, subject);
      const id = await make(subject);
      const copies = Array.from({ length: COPIES }, (_, index) => confirm(index, id, token));

      expect(await winners(copies)).toBe(1);
    }
  });

  it('confirms one confirmation several times in the naive twin', async () => {
    const subject = nextSubject();
    const { token } = await rememberDevice(all[0]!, subject);
    const id = await make(subject);
    const [factorId] = token.split('.') as [string];
    const copies = Array.from({ length: COPIES }, (_, index) => () => {
      return naive.confirm(id, factorId, index + 1);
    });

    expect(await winners(copies)).toBeGreaterThan(1);
  });

  it('confirms 40 concurrent confirmations by one token, which neither renews nor loses the device', async () => {
    const subject = nextSubject();
    const { token, expiresAt } = await rememberDevice(all[0]!, subject);
    const ids = await Promise.all(Array.from({ length: COPIES }, () => make(subject)));

    const won = await winners(ids.map((id, index) => confirm(index, id, token)));

    // A device that were locked or lost by its own parallel tabs would send the person to another method.
    expect(won).toBe(COPIES);
    expect(await factorsOf(all[0]!).list({ subject })).toMatchObject([
      { method: 'device', expiresAt },
    ]);
  });

  it('remembers only one device when 40 concurrent calls ask for it with one confirmation', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = nextSubject();
      const confirmation = await usedConfirmation(all[0]!, subject);
      const calls = Array.from({ length: COPIES }, (_, index) => async (): Promise<boolean> => {
        return (await factorsOf(instance(index)).remember({ confirmation })) !== null;
      });

      expect(await winners(calls)).toBe(1);
      expect(await repositoryOf().countBy({ subject, method: 'device' })).toBe(1);
    }
  });

  it('remembers several devices for one confirmation in the naive twin', async () => {
    const subject = nextSubject();
    const calls = Array.from({ length: COPIES }, () => () => naive.remember(subject));

    expect(await winners(calls)).toBeGreaterThan(1);
  });

  it('keeps ten devices when twenty confirmations concurrently remember one each', async () => {
    const subject = nextSubject();
    const confirmations: string[] = [];
    for (let count = 0; count < 20; count += 1) {
      confirmations.push(await usedConfirmation(all[0]!, subject));
    }

    const won = await winners(
      confirmations.map((confirmation, index) => async () => {
        return (await factorsOf(instance(index)).remember({ confirmation })) !== null;
      }),
    );

    expect(won).toBe(20);
    expect(await factorsOf(all[0]!).list({ subject })).toHaveLength(10);
  });

  it('confirms nothing by a device that is forgotten at the same time, once the call has ended', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = nextSubject();
      const { token } = await rememberDevice(all[0]!, subject);
      const ids = await Promise.all(Array.from({ length: 10 }, () => make(subject)));

      const [forgotten] = await Promise.all([
        factorsOf(instance(1)).forgetDevices({ subject }),
        ...ids.map((id, index) => confirm(index, id, token)()),
      ]);

      expect(forgotten).toBe(1);
      expect(await confirm(0, await make(subject), token)()).toBe(false);
    }
  });

  it('gives one credential to both of two subjects in the naive twin', async () => {
    let enrolled = 0;
    for (let round = 0; round < 10 && enrolled < 2; round += 1) {
      const holders = [nextSubject(), nextSubject()];
      const begun = await Promise.all(
        holders.map((subject) => factorsOf(all[0]!).enrol({ subject, method: 'passkey' })),
      );
      const { id } = new SoftwareAuthenticator({ origin: ORIGIN }).create(begun[0]!.options);
      const calls = begun.map(
        ({ factor }) =>
          () =>
            naive.activatePasskey(factor.id, id),
      );

      enrolled = Math.max(enrolled, await winners(calls));
    }
    expect(enrolled).toBe(2);
  });
});
