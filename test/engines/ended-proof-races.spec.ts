// Factors are removed while they confirm: no proof is left that pays after the removal, whichever of the two was first.
import { setTimeout as delay } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord } from '../../lib/index.js';
import { factorsOf } from '../support/authenticator.js';
import { rememberDevice } from '../support/devices.js';
import { Instances, sharedEngines } from '../support/instances.js';
import { interceptStatements } from '../support/intercept-statements.js';
import { PASSKEY_METHODS } from '../support/passkeys.js';

const ROUNDS = 40;
/** One for each instance. */
const PROOFS = 4;
const READ = /^SELECT .* FROM .two_factor_factor. WHERE/;

/** The proofs of one round that were confirmed. */
interface Round {
  readonly subject: string;
  readonly confirmed: readonly string[];
}

describe.each(sharedEngines)('A factor that is removed while it confirms, on %s', (engine) => {
  let instances: Instances;
  /** A confirmation by such an instance has read the factors, and goes on when its gate opens. */
  const gates: (Promise<void> | undefined)[] = [];

  beforeAll(async () => {
    instances = await Instances.start(engine, { limits: {}, methods: PASSKEY_METHODS });
    for (let index = 0; index < PROOFS; index += 1) {
      interceptStatements(instances.at(index).dataSource, async (sql, run, runner) => {
        const isRead = READ.test(sql) && !runner.isTransactionActive;
        const answer = await run();
        if (isRead) await gates[index];
        return answer;
      });
    }
  });
  afterAll(() => instances?.close());

  /**
   * Confirms by one device several times, and removes it before or after the first of them.
   *
   * @param remove is given a function that lets all confirmations go on, and waits for them.
   */
  async function race(
    round: number,
    remove: (subject: string, device: string, others: () => Promise<unknown>) => Promise<unknown>,
  ): Promise<Round> {
    const { first } = instances;
    const subject = instances.nextSubject();
    const { token } = await rememberDevice(first, subject);
    const make = (): ReturnType<typeof first.confirmer.makeConfirmation> =>
      first.confirmer.makeConfirmation({ subject, methods: ['device'] });
    const made = await Promise.all(Array.from({ length: PROOFS }, make));
    const confirmed: string[] = [];
    const calls = made.map(({ id }, index) => async (): Promise<void> => {
      const response = { method: 'device', token } as const;
      const [, isConfirmed] = await instances.at(index).confirmer.confirm(id, response);
      if (isConfirmed) confirmed.push(id);
    });
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    // On any machine some confirmations are before the removal and some are after it.
    if (round % 4 === 1) gates.push(undefined, undefined, gate, gate);
    let begun: Promise<void>[] = [];
    const others = (): Promise<unknown> => {
      open();
      return Promise.all(begun);
    };
    const removal = (): Promise<unknown> =>
      remove(subject, token.split('.')[0]!, others).finally(open);
    if (round % 4 === 0) {
      const removing = removal();
      begun = calls.map((call) => call());
      await Promise.all([removing, ...begun]);
    } else {
      begun = calls.map((call) => call());
      // While one has just been confirmed, and the others are under way.
      await Promise.all([...begun, Promise.race(begun).then(removal)]);
    }
    gates.length = 0;
    return { subject, confirmed };
  }

  const uses = ({ subject, confirmed }: Round): Promise<boolean[]> =>
    Promise.all(confirmed.map((id, index) => instances.at(index).confirmer.use(id, { subject })));

  it(`leaves no proof that pays, in ${ROUNDS} rounds`, async () => {
    let confirmed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const raced = await race(round, async (subject, factor) => {
        expect(await factorsOf(instances.at(round)).remove({ subject, factor })).toBe(true);
      });
      confirmed += raced.confirmed.length;
      expect(await uses(raced)).not.toContain(true);
    }
    // Some of the confirmations were faster than the removal, others were not.
    expect(confirmed).toBeGreaterThan(0);
    expect(confirmed).toBeLessThan(ROUNDS * PROOFS);
  });

  it('leaves proofs that pay in the naive twin, which ends them before it deletes the factor', async () => {
    const repository = instances.first.dataSource.getRepository(ConfirmationRecord);
    let left = 0;
    for (let round = 0; round < ROUNDS && left === 0; round += 1) {
      // The other confirmations end while it tells the person.
      const { confirmed } = await race(round, (subject, device, others) =>
        instances.naive.endAndRemove(subject, device, others),
      );
      const rows = await Promise.all(confirmed.map((id) => repository.findOneByOrFail({ id })));
      left += rows.filter(({ cancelledAt }) => cancelledAt === null).length;
    }
    expect(left).toBeGreaterThan(0);
  });

  it('pays before the removal or not at all, when both run together', async () => {
    let paid = 0;
    for (let round = 0; round < ROUNDS / 2; round += 1) {
      const { first } = instances;
      const subject = instances.nextSubject();
      const { token } = await rememberDevice(first, subject);
      const ids: string[] = [];
      for (let proof = 0; proof < PROOFS; proof += 1) {
        const { id } = await first.confirmer.makeConfirmation({ subject, methods: ['device'] });
        await first.confirmer.confirm(id, { method: 'device', token });
        ids.push(id);
      }
      let isRemoved = false;
      const late: boolean[] = [];
      const uses = ids.map(async (id, index) => {
        await delay(index * 2);
        const isLate = isRemoved;
        const isUsed = await instances.at(index).confirmer.use(id, { subject });
        paid += Number(isUsed);
        late.push(isLate && isUsed);
      });
      const forget = async (): Promise<void> => {
        // After the first use in each fifth round, so that some pay on any machine.
        await (round % 5 === 4 ? uses[0] : delay(round % 5));
        await factorsOf(instances.at(1)).forgetDevices({ subject });
        isRemoved = true;
      };
      await Promise.all([forget(), ...uses]);
      expect(late).not.toContain(true);
    }
    expect(paid).toBeGreaterThan(0);
  });
});
