import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord, type PasskeyAssertionResponse } from '../../lib/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { factorsOf } from '../support/authenticator.js';
import { Instances, sharedEngines, winners } from '../support/instances.js';
import { enrolPasskey, ORIGIN, PASSKEY_METHODS } from '../support/passkeys.js';

const ROUNDS = 3;
const COPIES = 40;
const KINDS = [
  ['of one device', false],
  ['that a provider copies', true],
] as const;

describe.each(sharedEngines)('Races of passkeys on %s', (engine) => {
  let instances: Instances;

  beforeAll(async () => {
    instances = await Instances.start(engine, { limits: {}, methods: PASSKEY_METHODS });
  });
  afterAll(() => instances?.close());

  const make = async (subject: string): Promise<string> =>
    (await instances.first.confirmer.makeConfirmation({ subject, methods: ['passkey'] })).id;
  const signed = async (
    id: string,
    authenticator: SoftwareAuthenticator,
  ): Promise<PasskeyAssertionResponse> =>
    authenticator.get(await instances.first.confirmer.challenge(id, { method: 'passkey' }));
  const confirm =
    (index: number, id: string, response: PasskeyAssertionResponse) => async (): Promise<boolean> =>
      (await instances.at(index).confirmer.confirm(id, { method: 'passkey', response }))[1];

  it.each(KINDS)(
    'confirms once by 40 copies of one assertion of a passkey %s',
    async (_, isSynced) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const { subject, authenticator } = await enrolPasskey(
          instances.first,
          instances.nextSubject(),
          { isSynced },
        );
        const id = await make(subject);
        const response = await signed(id, authenticator);
        const copies = Array.from({ length: COPIES }, (_copy, index) =>
          confirm(index, id, response),
        );

        expect(await winners(copies)).toBe(1);
      }
    },
  );

  it('confirms several times by 40 copies of one assertion in the naive twin', async () => {
    const { subject, factorId } = await enrolPasskey(instances.first, instances.nextSubject());
    const id = await make(subject);
    const copies = Array.from(
      { length: COPIES },
      () => () => instances.naive.confirm(id, factorId, 2),
    );

    expect(await winners(copies)).toBeGreaterThan(1);
  });

  it('never lets the counter go backwards when assertions for ten confirmations arrive at once', async () => {
    const { subject, factorId, authenticator } = await enrolPasskey(
      instances.first,
      instances.nextSubject(),
    );
    const assertions: [string, PasskeyAssertionResponse][] = [];
    for (let count = 0; count < 10; count += 1) {
      const id = await make(subject);
      assertions.push([id, await signed(id, authenticator)]);
    }

    const won = await Promise.all(
      assertions.map(([id, response], index) => confirm(index, id, response)()),
    );

    // The later ones may win before the earlier ones, which are refused then.
    const highest = 2 + won.lastIndexOf(true);
    const repository = instances.first.dataSource.getRepository(FactorRecord);
    const { counter } = await repository.findOneByOrFail({ id: factorId });
    expect(won).toContain(true);
    expect(counter).toBe(highest);
  });

  it('enrols a credential for only one of two subjects that register it concurrently', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const holders = [instances.nextSubject(), instances.nextSubject()];
      const begun = await Promise.all(
        holders.map((subject) => factorsOf(instances.first).enrol({ subject, method: 'passkey' })),
      );
      const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
      const original = authenticator.create(begun[0]!.options);
      const calls = holders.map((subject, index) => async (): Promise<boolean> => {
        const { factor, options } = begun[index]!;
        const { clientDataJSON } = authenticator.create(options).response;
        const response = { ...original, response: { ...original.response, clientDataJSON } };
        const input = { subject, factor: factor.id, response };
        return (await factorsOf(instances.at(index)).activate(input)) !== null;
      });

      expect(await winners(calls)).toBe(1);
    }
  });
});
