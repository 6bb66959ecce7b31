// One token of a remembered device, and one credential of a passkey, in many calls at once.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord } from '../../lib/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { factorsOf } from '../support/authenticator.js';
import { rememberDevice, usedConfirmation } from '../support/devices.js';
import { Instances, sharedEngines, winners } from '../support/instances.js';
import { ORIGIN, PASSKEY_METHODS } from '../support/passkeys.js';

const COPIES = 40;
const ROUNDS = 3;

describe.each(sharedEngines)('Races of remembered devices on %s', (engine) => {
  let instances: Instances;

  beforeAll(async () => {
    instances = await Instances.start(engine, { limits: {}, methods: PASSKEY_METHODS });
  });
  afterAll(() => instances?.close());

  const make = async (subject: string): Promise<string> =>
    (await instances.first.confirmer.makeConfirmation({ subject, methods: ['device'] })).id;
  const confirm = (index: number, id: string, token: string) => async (): Promise<boolean> =>
    (await instances.at(index).confirmer.confirm(id, { method: 'device', token }))[1];
  const repositoryOf = () => instances.first.dataSource.getRepository(FactorRecord);

  it('confirms one confirmation once by 40 copies of one token', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = instances.nextSubject();
      const { token } = await rememberDevice(instances.first, subject);
      const id = await make(subject);
      const copies = Array.from({ length: COPIES }, (_, index) => confirm(index, id, token));

      expect(await winners(copies)).toBe(1);
    }
  });

  it('confirms one confirmation several times in the naive twin', async () => {
    const subject = instances.nextSubject();
    const { token } = await rememberDevice(instances.first, subject);
    const id = await make(subject);
    const [factorId] = token.split('.') as [string];
    const copies = Array.from({ length: COPIES }, (_, index) => () => {
      return instances.naive.confirm(id, factorId, index + 1);
    });

    expect(await winners(copies)).toBeGreaterThan(1);
  });

  it('confirms 40 concurrent confirmations by one token, which neither renews nor loses the device', async () => {
    const subject = instances.nextSubject();
    const { token, expiresAt } = await rememberDevice(instances.first, subject);
    const ids = await Promise.all(Array.from({ length: COPIES }, () => make(subject)));

    const won = await winners(ids.map((id, index) => confirm(index, id, token)));

    // A device that were locked or lost by its own parallel tabs would send the person to another method.
    expect(won).toBe(COPIES);
    expect(await factorsOf(instances.first).list({ subject })).toMatchObject([
      { method: 'device', expiresAt },
    ]);
  });

  it('remembers only one device when 40 concurrent calls ask for it with one confirmation', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = instances.nextSubject();
      const confirmation = await usedConfirmation(instances.first, subject);
      const calls = Array.from({ length: COPIES }, (_, index) => async (): Promise<boolean> => {
        return (await factorsOf(instances.at(index)).remember({ confirmation })) !== null;
      });

      expect(await winners(calls)).toBe(1);
      expect(await repositoryOf().countBy({ subject, method: 'device' })).toBe(1);
    }
  });

  it('remembers several devices for one confirmation in the naive twin', async () => {
    const subject = instances.nextSubject();
    const calls = Array.from({ length: COPIES }, () => () => instances.naive.remember(subject));

    expect(await winners(calls)).toBeGreaterThan(1);
  });

  it('keeps ten devices when twenty confirmations concurrently remember one each', async () => {
    const subject = instances.nextSubject();
    const confirmations: string[] = [];
    for (let count = 0; count < 20; count += 1) {
      confirmations.push(await usedConfirmation(instances.first, subject));
    }

    const won = await winners(
      confirmations.map((confirmation, index) => async () => {
        return (await factorsOf(instances.at(index)).remember({ confirmation })) !== null;
      }),
    );

    expect(won).toBe(20);
    expect(await factorsOf(instances.first).list({ subject })).toHaveLength(10);
  });

  it('confirms nothing by a device that is forgotten at the same time, once the call has ended', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const subject = instances.nextSubject();
      const { token } = await rememberDevice(instances.first, subject);
      const ids = await Promise.all(Array.from({ length: 10 }, () => make(subject)));

      const [forgotten] = await Promise.all([
        factorsOf(instances.at(1)).forgetDevices({ subject }),
        ...ids.map((id, index) => confirm(index, id, token)()),
      ]);

      expect(forgotten).toBe(1);
      expect(await confirm(0, await make(subject), token)()).toBe(false);
    }
  });

  it('gives one credential to both of two subjects in the naive twin', async () => {
    let enrolled = 0;
    for (let round = 0; round < 10 && enrolled < 2; round += 1) {
      const holders = [instances.nextSubject(), instances.nextSubject()];
      const begun = await Promise.all(
        holders.map((subject) => factorsOf(instances.first).enrol({ subject, method: 'passkey' })),
      );
      const { id } = new SoftwareAuthenticator({ origin: ORIGIN }).create(begun[0]!.options);
      const calls = begun.map(
        ({ factor }) =>
          () =>
            instances.naive.activatePasskey(factor.id, id),
      );

      enrolled = Math.max(enrolled, await winners(calls));
    }
    expect(enrolled).toBe(2);
  });
});
