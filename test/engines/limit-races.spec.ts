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
import { refusal } from '../support/refusal.js';
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

  const newName = (): string => `user${(next += 1)}@example.com`;

  /** The same application several times; the first one owns the database. */
  async function instances(limits: LimitsOptions): Promise<TestApp[]> {
    // Waiting for a connection is not what is tested.
    const input = { options: { limits, databaseTimeoutMs: 60_000 }, dataSource: { poolSize: 5 } };
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
      apps = await instances({
        sendsInTotal: {
          open: [{ max: 17, perSeconds: 60 }],
          bound: [{ max: 40, perSeconds: 60 }],
        },
      });
      await installAttemptTrigger(apps[0]!.dataSource);
      naive = new NaiveLimits(apps[0]!.dataSource);
      await naive.install();
    });
    const app = (index: number): TestApp => apps[index % apps.length]!;
    const sent = (): number => apps.flatMap(({ inbox }) => inbox.deliveries).length;

    it.each([
      ['one token', (token: string) => ({ token })],
      ["a subject's token", (token: string) => ({ token, subject: token })],
    ])(
      'compares exactly ten of 100 wrong codes when they come at once on 20 confirmations of %s (case 46)',
      async (_, partyOf) => {
        const party = partyOf(newName());
        const states: ConfirmationState[] = [];
        for (let index = 0; index < 20; index += 1) {
          // Each for a purpose of its own: there may be three alive for one.
          states.push(
            await app(index).confirmer.makeConfirmation({ ...party, purpose: `p${index}` }),
          );
        }
        const calls = states.flatMap(({ id }) => Array.from({ length: 5 }, () => id));

        const outcomes = await Promise.all(
          calls.map((id, index) => outcome(app(index).confirmer.confirm(id, WRONG_CODE))),
        );

        let compared = 0;
        for (const { id } of states) compared += await loggedAttempts(apps[0]!.dataSource, id);
        expect(compared).toBe(10);
        expect(Object.keys(tally(outcomes)).toSorted()).toEqual(['too-many-requests', 'true']);
        const failures = await app(0).app.get(LimitService, { strict: false }).failures(party);
        expect(failures).toMatchObject({ count: 10, isPermanentlyLocked: false });
      },
    );

    it('compares more than ten of them in the naive twin (case 46)', async () => {
      const compared = await Promise.all(
        Array.from({ length: 100 }, () => naive.spend('token', 10)),
      );
      expect(compared.filter(Boolean).length).toBeGreaterThan(10);
    });

    it('makes three of 20 parallel confirmations of one subject and purpose', async () => {
      const login = { subject: newName(), purpose: 'login' };

      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          outcome(app(index).confirmer.makeConfirmation(login)),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 3, 'too-many-requests': 17 });
    });

    it('sends one token five of 30 parallel messages, and the others cost nothing', async () => {
      const token = newName();
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          outcome(app(index).twoFactor.request({ token, purpose: `p${index}` })),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 5, 'too-many-requests': 25 });
      expect(apps.flatMap(({ inbox }) => inbox.deliveries)).toHaveLength(5);
    });

    it("sends a subject's token five of 30 parallel messages, which cost strangers nothing", async () => {
      const [token, subject] = [newName(), newName()];
      const before = sent();
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          outcome(app(index).twoFactor.request({ token, subject, purpose: `p${index}` })),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 5, 'too-many-requests': 25 });
      expect(sent() - before).toBe(5);
    });

    it('sends 17 messages to strangers in all, including the five of the test before', async () => {
      const before = sent();
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          outcome(app(index).twoFactor.request({ token: newName() })),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 12, 'temporarily-unavailable': 28 });
      expect(sent() - before).toBe(12);
    });

    it('sends 35 more messages to subjects in all when nothing is left for strangers', async () => {
      const before = sent();
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, index) =>
          outcome(app(index).twoFactor.request({ token: newName(), subject: newName() })),
        ),
      );

      expect(tally(outcomes)).toEqual({ true: 35, 'temporarily-unavailable': 25 });
      expect(sent() - before).toBe(35);
    });
  });

  describe('with four messages for each requester and network', () => {
    let apps: TestApp[];

    beforeAll(async () => {
      const four = { max: 4, perSeconds: 60 };
      apps = await instances({
        sendsPerRequester: [four],
        sendsPerNetwork: [{ ipv4: 24, ipv6: 48, ...four }],
      });
    });

    // Of one /64 both are used up, and the first by name is reported.
    it.each<[string, string, (index: number) => string | undefined]>([
      ['an IPv4 /24', 'sends-per-network', (index) => `198.51.100.${index}`],
      ['an IPv6 /48', 'sends-per-network', (index) => `2001:db8:7:${index * 100}::1`],
      ['an IPv6 /64', 'sends-per-network', (index) => `2001:db8:8:7::${index}`],
      ['unknown requesters', 'sends-per-network', () => undefined],
      ['one name', 'sends-per-requester', () => 'session-4711'],
    ])('sends four of 30 parallel messages of %s', async (_, limit, requester) => {
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (__, index) =>
          refusal(
            apps[index % apps.length]!.twoFactor.request({
              token: newName(),
              requester: requester(index),
            }),
          ),
        ),
      );

      const refused = outcomes.filter((each) => each !== 'accepted');
      expect(refused).toHaveLength(26);
      for (const each of refused) expect(each).toEqual([429, limit, expect.any(Number)]);
    });
  });

  it('meets no deadlock when messages, guesses and right codes cross, because all counters are locked in one order (case 52)', async () => {
    const apps = await instances({
      failures: { lockAfter: 50, lockSeconds: 1, permanentLockAfter: 100 },
      pending: false,
      sendsPerToken: [{ max: 1_000, perSeconds: 60 }],
      sendsPerRequester: [{ max: 1_000, perSeconds: 60 }],
      sendsPerNetwork: [{ ipv4: 24, max: 1_000, perSeconds: 60 }],
    });
    const database = apps[0]!.dataSource;
    const [one, other] = [newName(), newName()];
    // Strangers and subjects, whose counters are of one token and in one network, and stand in another order for each.
    const requests = [
      { token: one, requester: '192.0.2.1' },
      { token: other, requester: '192.0.2.2' },
      { token: one, requester: '192.0.2.2' },
      { token: other, requester: '192.0.2.1' },
      { token: one, subject: other },
      { token: other, subject: one },
      { token: one, subject: other, tokenFrom: 'client' as const },
    ];
    const limits = apps[0]!.app.get(LimitService, { strict: false });
    for (let round = 0; round < 12; round += 1) {
      const outcomes = await Promise.all(
        Array.from({ length: 28 }, async (_, index) => {
          const { confirmer, twoFactor } = apps[index % apps.length]!;
          const { state } = await twoFactor.request(requests[index % requests.length]!);
          // Wrong codes charge the failures, right ones end them.
          return outcome(confirmer.confirm(state.id, index % 3 === 0 ? state.code! : WRONG_CODE));
        }),
      );
      expect(Object.keys(tally(outcomes)).filter((each) => each !== 'too-many-requests')).toEqual([
        'true',
      ]);
      for (const token of [one, other]) await limits.reset({ token });
      await limits.reset({ token: one, subject: other });
      await limits.reset({ token: other, subject: one });
    }
    if (engine !== 'postgres') return;
    const [{ deadlocks }] = (await database.query(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    )) as [{ deadlocks: string }];
    expect(Number(deadlocks)).toBe(0);
  });
});
