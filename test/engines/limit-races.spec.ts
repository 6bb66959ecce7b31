import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitService,
  TwoFactorError,
  type ConfirmationState,
  type LimitsOptions,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import { engines } from '../support/engines.js';
import { NaiveLimits } from '../support/naive-limits.js';
import { startApp, type TestApp } from '../support/test-app.js';

/** `true` for a call that went through, and the code of the error for one that was refused. */
async function outcome(call: Promise<unknown>): Promise<string | true> {
  return call.then(
    () => true as const,
    (error: unknown) => {
      if (error instanceof TwoFactorError) return error.code;
      throw error;
    },
  );
}

/** How often each outcome was seen. */
function tally(outcomes: readonly (string | true)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const each of outcomes) counts[String(each)] = (counts[String(each)] ?? 0) + 1;
  return counts;
}

// Four applications on one database (on sql.js one, whose calls still overlap), as several instances would be.
describe.each(engines)('Races for a budget on %s', (engine) => {
  const opened: TestApp[] = [];
  let next = 0;

  const somebody = (): string => `user${(next += 1)}@example.com`;

  /** The same application several times; the first one owns the database. */
  async function instances(limits: LimitsOptions): Promise<TestApp[]> {
    // Waiting for a connection is not what is tested.
    const input = { options: { limits, timeoutMs: 60_000 }, dataSource: { poolSize: 5 } };
    const first = await startApp({ engine, ...input });
    const all = [first];
    for (let count = engine === 'sqljs' ? 0 : 3; count > 0; count -= 1) {
      all.push(await startApp({ engine, database: first.database, ...input }));
    }
    // One clock: they are machines that run NTP.
    opened.push(...all.toReversed());
    return all;
  }

  afterAll(async () => {
    for (const app of opened) await app.close();
  });

  describe('with the default limits', () => {
    let apps: TestApp[];
    let naive: NaiveLimits;

    beforeAll(async () => {
      apps = await instances({ sendsInTotal: [{ max: 17, perSeconds: 60 }] });
      await installAttemptTrigger(apps[0]!.dataSource);
      naive = new NaiveLimits(apps[0]!.dataSource);
      await naive.install();
    });
    const app = (index: number): TestApp => apps[index % apps.length]!;

    it('46 compares exactly ten of 100 wrong codes on 20 confirmations of one token', async () => {
      const token = somebody();
      const states: ConfirmationState[] = [];
      for (let index = 0; index < 20; index += 1) {
        // Each for a purpose of its own: there may be three alive for one.
        states.push(await app(index).confirmer.makeConfirmation({ token, purpose: `p${index}` }));
      }
      const calls = states.flatMap(({ id }) => Array.from({ length: 5 }, () => id));

      const outcomes = await Promise.all(
        calls.map((id, index) => outcome(app(index).confirmer.confirm(id, WRONG_CODE))),
      );

      let compared = 0;
      for (const { id } of states) compared += await loggedAttempts(apps[0]!.dataSource, id);
      expect(compared).toBe(10);
      expect(Object.keys(tally(outcomes)).toSorted()).toEqual(['too-many-requests', 'true']);
      const failures = await app(0).app.get(LimitService, { strict: false }).failures({ token });
      expect(failures).toMatchObject({ count: 10, isPermanentlyLocked: false });
    });

    it('46 compares more than ten in the naive twin', async () => {
      const compared = await Promise.all(
        Array.from({ length: 100 }, () => naive.spend('token', 10)),
      );
      expect(compared.filter(Boolean).length).toBeGreaterThan(10);
    });

    it('makes three of 20 parallel confirmations of one subject and purpose', async () => {
      const login = { subject: somebody(), purpose: 'login' };

      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          outcome(app(index).confirmer.makeConfirmation(login)),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 3, 'too-many-requests': 17 });
    });

    it('sends one token five of 30 parallel messages, and the others cost nothing', async () => {
      const token = somebody();
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          outcome(app(index).twoFactor.request({ token, purpose: `p${index}` })),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 5, 'too-many-requests': 25 });
      expect(apps.flatMap(({ outbox }) => outbox.deliveries)).toHaveLength(5);
    });

    it('sends 17 messages in all, of which those five are some', async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          outcome(app(index).twoFactor.request({ token: somebody() })),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 12, 'temporarily-unavailable': 28 });
      expect(apps.flatMap(({ outbox }) => outbox.deliveries)).toHaveLength(17);
    });
  });

  it('52 locks token and subject in one order: crossed pairs meet in no deadlock', async () => {
    const apps = await instances({
      failures: { lockAfter: 50, lockSeconds: 1, maxLockSeconds: 1, permanentLockAfter: 100 },
      pending: false,
    });
    const database = apps[0]!.dataSource;
    const [one, other] = [somebody(), somebody()];
    const pairs = [
      { token: one, subject: other },
      { token: other, subject: one },
    ];
    const limits = apps[0]!.app.get(LimitService, { strict: false });
    for (let round = 0; round < 12; round += 1) {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const { confirmer } = apps[index % apps.length]!;
          const state = await confirmer.makeConfirmation(pairs[index % 2]);
          // Wrong ones charge both rows, right ones end both.
          return outcome(confirmer.confirm(state.id, index % 3 === 0 ? state.code! : WRONG_CODE));
        }),
      );
      expect(Object.keys(tally(outcomes)).filter((each) => each !== 'too-many-requests')).toEqual([
        'true',
      ]);
      for (const token of [one, other]) await limits.reset({ token });
      for (const subject of [one, other]) await limits.reset({ subject });
    }
    if (engine !== 'postgres') return;
    const [{ deadlocks }] = (await database.query(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    )) as [{ deadlocks: string }];
    expect(Number(deadlocks)).toBe(0);
  });
});
