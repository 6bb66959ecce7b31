import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord, type PasskeyAssertionResponse } from '../../lib/index.js';
import { SoftwareAuthenticator } from '../../lib/testing/software-authenticator.js';
import { factorsOf } from '../support/authenticator.js';
import { engines } from '../support/engines.js';
import { NaiveFactors } from '../support/naive-factors.js';
import { enrolPasskey, ORIGIN, PASSKEY_METHODS } from '../support/passkeys.js';
import { startApp, type TestApp } from '../support/test-app.js';

const ROUNDS = 3;
const COPIES = 40;
const KINDS = [
  ['of one device', false],
  ['that a provider copies', true],
] as const;

/** A database of sql.js belongs to one application, in which the calls for one confirmation wait for each other. */
const shared = engines.filter((engine) => engine !== 'sqljs');

async function winners(calls: readonly (() => Promise<boolean>)[]): Promise<number> {
  const answers = await Promise.all(calls.map((call) => call()));
  return answers.filter(Boolean).length;
}

describe.each(shared)('Races of passkeys on %s', (engine) => {
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
    (await all[0]!.confirmer.makeConfirmation({ subject, methods: ['passkey'] })).id;
  const signed = async (
    id: string,
    authenticator: SoftwareAuthenticator,
  ): Promise<PasskeyAssertionResponse> =>
    authenticator.get(await all[0]!.confirmer.challenge(id, { method: 'passkey' }));
  const confirm =
    (index: number, id: string, response: PasskeyAssertionResponse) => async (): Promise<boolean> =>
      (await instance(index).confirmer.confirm(id, { method: 'passkey', response }))[1];

  it.each(KINDS)(
    'confirms once by 40 copies of one assertion of a passkey %s',
    async (_, isSynced) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const { subject, authenticator } = await enrolPasskey(all[0]!, nextSubject(), { isSynced });
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
    const { subject, factorId } = await enrolPasskey(all[0]!, nextSubject());
    const id = await make(subject);
    const copies = Array.from({ length: COPIES }, () => () => naive.confirm(id, factorId, 2));

    expect(await winners(copies)).toBeGreaterThan(1);
  });

  it('never lets the counter go backwards when assertions for ten confirmations arrive at once', async () => {
    const { subject, factorId, authenticator } = await enrolPasskey(all[0]!, nextSubject());
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
    const repository = all[0]!.dataSource.getRepository(FactorRecord);
    const { counter } = await repository.findOneByOrFail({ id: factorId });
    expect(won).toContain(true);
    expect(counter).toBe(highest);
  });

  it('enrols a credential for only one of two subjects that register it concurrently', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const holders = [nextSubject(), nextSubject()];
      const begun = await Promise.all(
        holders.map((subject) => factorsOf(all[0]!).enrol({ subject, method: 'passkey' })),
      );
      const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
      const original = authenticator.create(begun[0]!.options);
      const calls = holders.map((subject, index) => async (): Promise<boolean> => {
        const { factor, options } = begun[index]!;
        const { clientDataJSON } = authenticator.create(options).response;
        const response = { ...original, response: { ...original.response, clientDataJSON } };
        const input = { subject, factor: factor.id, response };
        return (await factorsOf(instance(index)).activate(input)) !== null;
      });

      expect(await winners(calls)).toBe(1);
    }
  });
});
