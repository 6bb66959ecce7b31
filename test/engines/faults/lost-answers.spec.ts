// The server committed and the answer was lost, as after a reset connection, a failing network card or a failover.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmationRecord, TwoFactorUnavailableError } from '../../../lib/index.js';
import { servers } from '../../support/engines.js';
import { NaiveConfirmer } from '../../support/naive-confirmer.js';
import {
  expectNoStrayRejections,
  inGroups,
  outcomeOf,
  startBehindProxy,
  STATEMENTS,
  tally,
  type BehindProxy,
} from './behind-proxy.js';
import { INTERRUPTED_CALLS, keyOf, newToken } from './interrupted-calls.js';
import { UNAVAILABLE } from './public-calls.js';

const COUNT = 200;

expectNoStrayRejections();

const ways = servers.flatMap((engine) =>
  // Where an answer is lost, all who went together have lost it.
  (engine === 'postgres' ? [false, true] : [false]).map((join) => ({ engine, join })),
);

describe.each(ways)('Lost answers on $engine, joined: $join', ({ engine, join }) => {
  let behind: BehindProxy;

  beforeAll(async () => {
    behind = await startBehindProxy(engine, {
      options: { databaseTimeoutMs: 60_000, batching: join, env: false },
    });
    for (const table of ['effect', 'unguarded_effect']) {
      const unique = table === 'effect' ? 'UNIQUE' : '';
      await behind.direct.dataSource.query(
        `CREATE TABLE ${table} (confirmation varchar(36) NOT NULL ${unique})`,
      );
    }
  });
  afterAll(() => behind.close());

  /** Confirmed, and waiting to be used. */
  const proofs = (count: number): Promise<string[]> =>
    inGroups(
      count,
      async () => (await behind.direct.confirmer.makeConfirmation({ isConfirmed: true })).id,
    );

  const effects = async (table: 'effect' | 'unguarded_effect', id: string): Promise<number> => {
    const rows: unknown[] = await behind.direct.dataSource.query(
      `SELECT confirmation FROM ${table} WHERE confirmation = '${id}'`,
    );
    return rows.length;
  };

  it('10: after 200 lost answers of use with a key, the same key is answered true 200 times and no other ever', async () => {
    const { test, proxy } = behind;
    const ids = await proofs(COUNT);
    const trap = proxy.trap(STATEMENTS.use, 'lose-answer', COUNT);

    const lost = await inGroups(COUNT, (at) =>
      outcomeOf(test.confirmer.use(ids[at]!, { idempotencyKey: keyOf(ids[at]!) })),
    );

    expect(tally(lost)).toEqual({ [UNAVAILABLE]: COUNT });
    expect(trap.caught).toBeLessThanOrEqual(join ? COUNT / 2 : COUNT);
    expect(trap.caught).toBeGreaterThanOrEqual(join ? 1 : COUNT);
    proxy.calm();
    const again = (input: (id: string) => { idempotencyKey?: string }): Promise<string[]> =>
      inGroups(COUNT, (at) => outcomeOf(test.confirmer.use(ids[at]!, input(ids[at]!))));
    expect(tally(await again(() => ({ idempotencyKey: 'key-of-another-caller' })))).toEqual({
      false: COUNT,
    });
    expect(tally(await again(() => ({})))).toEqual({ false: COUNT });
    expect(tally(await again((id) => ({ idempotencyKey: keyOf(id) })))).toEqual({ true: COUNT });
  });

  it('10, the naive twin: without a key a retry loses every proof that was spent', async () => {
    const { test, proxy } = behind;
    const ids = await proofs(20);
    proxy.trap(STATEMENTS.use, 'lose-answer', 20);
    const use = (at: number): Promise<string> => outcomeOf(test.confirmer.use(ids[at]!));

    expect(tally(await inGroups(20, use))).toEqual({ [UNAVAILABLE]: 20 });
    proxy.calm();
    expect(tally(await inGroups(20, use))).toEqual({ false: 20 });
  });

  it('10: 200 lost answers of a COMMIT leave one effect each, however the application retries', async () => {
    const { test, proxy } = behind;
    const ids = await proofs(COUNT);
    const trap = proxy.trap(STATEMENTS.commit, 'lose-answer', COUNT);
    const spend = (id: string): Promise<boolean> =>
      test.dataSource.transaction(async (manager) => {
        const used = await test.confirmer.use(id, { manager });
        if (used) await manager.query(`INSERT INTO effect VALUES ('${id}')`);
        return used;
      });

    const lost = await inGroups(COUNT, (at) => outcomeOf(spend(ids[at]!)));
    const again = await inGroups(COUNT, (at) => outcomeOf(spend(ids[at]!)));

    expect(trap.caught).toBe(COUNT);
    expect(tally(lost)).toEqual({ QueryFailedError: COUNT });
    expect(tally(again)).toEqual({ false: COUNT });
    const counts = await inGroups(COUNT, (at) => effects('effect', ids[at]!));
    expect(counts).toEqual(Array.from({ length: COUNT }, () => 1));
  });

  it('10: a COMMIT that never arrives has no effect, and the whole transaction succeeds when it is repeated', async () => {
    const { test, proxy } = behind;
    const ids = await proofs(50);
    const trap = proxy.trap(STATEMENTS.commit, 'cut-before', 50);
    const spend = (id: string): Promise<boolean> =>
      test.dataSource.transaction(async (manager) => {
        const used = await test.confirmer.use(id, { manager });
        if (used) await manager.query(`INSERT INTO effect VALUES ('${id}')`);
        return used;
      });

    const cut = await inGroups(50, (at) => outcomeOf(spend(ids[at]!)));
    expect(tally(cut)).toEqual({ QueryFailedError: 50 });
    expect(trap.caught).toBe(50);
    const none = await inGroups(50, (at) => effects('effect', ids[at]!));
    expect(none).toEqual(Array.from({ length: 50 }, () => 0));

    const again = await inGroups(50, (at) => outcomeOf(spend(ids[at]!)));
    expect(tally(again)).toEqual({ true: 50 });
    const one = await inGroups(50, (at) => effects('effect', ids[at]!));
    expect(one).toEqual(Array.from({ length: 50 }, () => 1));
  });

  it('10, the naive twin: find, check, effect and save in statements of their own have their effect twice', async () => {
    const { test, proxy } = behind;
    const ids = await proofs(20);
    const naive = new NaiveConfirmer(test.dataSource.getRepository(ConfirmationRecord));
    const records = test.dataSource.getRepository(ConfirmationRecord);
    const spend = async (id: string): Promise<boolean> => {
      const { usedAt } = await records.findOneByOrFail({ id });
      if (usedAt !== null) return false;
      await test.dataSource.query(`INSERT INTO unguarded_effect VALUES ('${id}')`);
      return naive.use(id);
    };
    // Each proof has a trap of its own. One trap for 20 INSERTs would catch the repeats of the first proofs before the last ones have been
    // tried, because the pool has fewer connections than there are proofs.
    for (const id of ids) {
      proxy.trap(new RegExp(`^INSERT INTO unguarded_effect VALUES \\('${id}'\\)`), 'lose-answer');
    }

    await inGroups(20, (at) => spend(ids[at]!).catch(() => spend(ids[at]!)));

    const counts = await inGroups(20, (at) => effects('unguarded_effect', ids[at]!));
    expect(counts).toEqual(Array.from({ length: 20 }, () => 2));
  });

  it('I13: a use in a transaction throws when its answer is lost, and the failed transaction leaves the proof usable', async () => {
    const { test, proxy } = behind;
    const [id = ''] = await proofs(1);
    proxy.trap(STATEMENTS.use, 'lose-answer');

    const outcome = await outcomeOf(
      test.dataSource.transaction((manager) => test.confirmer.use(id, { manager })),
    );

    expect(outcome).toBe(UNAVAILABLE);
    expect(await test.confirmer.use(id)).toBe(true);
  });

  describe.each(INTERRUPTED_CALLS)(
    '$name',
    ({ statement, prepare, call, untouched, done, again }) => {
      it.each(['cut-before', 'lose-answer', 'half-close'] as const)(
        'I13: fails closed at %s, leaves what the server had done, and works when it is repeated',
        async (fault) => {
          const { proxy, row } = behind;
          const { id, code } = await prepare(behind);
          const trap = proxy.trap(statement, fault);

          await expect(call(behind, id, code)).rejects.toBeInstanceOf(TwoFactorUnavailableError);

          expect(trap.caught).toBe(1);
          const wasDone = fault !== 'cut-before';
          expect(await row(id)).toMatchObject(wasDone ? done : untouched);
          await again(behind, { id, code, wasDone });
        },
      );
    },
  );

  it.each(['cut-before', 'lose-answer', 'half-close'] as const)(
    'I12: makeConfirmation at %s is repeated with its key and makes one confirmation',
    async (fault) => {
      const { test, direct, proxy } = behind;
      const key = `request-${engine}-${fault}`;
      const repository = direct.dataSource.getRepository(ConfirmationRecord);
      const before = await repository.count();
      proxy.trap(STATEMENTS.insert, fault);

      await expect(test.confirmer.makeConfirmation({ idempotencyKey: key })).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );
      expect((await repository.count()) - before).toBe(fault === 'cut-before' ? 0 : 1);

      const made = await test.confirmer.makeConfirmation({ idempotencyKey: key });
      expect((await repository.count()) - before).toBe(1);
      expect((await test.confirmer.confirm(made.id, made.code!))[1]).toBe(true);
    },
  );

  it.each(['cut-before', 'lose-answer', 'half-close'] as const)(
    '60: request at %s of its INSERT or its bind calls no provider, and sends once when repeated with its key',
    async (fault) => {
      const { test, proxy, clock } = { ...behind, clock: behind.test.clock };
      const sent = test.inbox.deliveries.length;
      const request = { token: newToken(), idempotencyKey: `whole-request-${engine}-${fault}` };
      proxy.trap(STATEMENTS.insert, fault);
      proxy.trap(STATEMENTS.bind, fault);

      await expect(test.twoFactor.request(request)).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );
      await expect(test.twoFactor.request(request)).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );
      expect(test.inbox.deliveries.length - sent).toBe(0);

      const { id } = await test.twoFactor.request(request);
      if (fault !== 'cut-before') {
        // It was charged as sent: the person who waits for it asks for it again.
        expect(test.inbox.deliveries.length - sent).toBe(0);
        clock.advance(30);
        await test.twoFactor.resend(id);
      }
      expect(test.inbox.deliveries.length - sent).toBe(1);
      expect((await test.confirmer.confirm(id, test.inbox.lastCode))[1]).toBe(true);
    },
  );

  it.each(['cut-before', 'lose-answer', 'half-close'] as const)(
    '84: purge at %s is an error, leaves the living, and finishes when it is repeated',
    async (fault) => {
      const { test, direct, proxy } = behind;
      const dead = await inGroups(5, () => direct.confirmer.makeConfirmation());
      test.clock.advance(2 * 86_400);
      const alive = await direct.confirmer.makeConfirmation();
      const repository = direct.dataSource.getRepository(ConfirmationRecord);
      const trap = proxy.trap(STATEMENTS.purge, fault);

      await expect(test.confirmer.purge()).rejects.toBeInstanceOf(TwoFactorUnavailableError);
      expect(trap.caught).toBe(1);
      expect(await repository.countBy({ id: dead[0]!.id })).toBe(fault === 'cut-before' ? 1 : 0);

      await test.confirmer.purge();
      for (const { id } of dead) expect(await repository.countBy({ id })).toBe(0);
      expect((await test.confirmer.confirm(alive.id, alive.code!))[1]).toBe(true);
    },
  );

  it('I11: check is an error when its answer is lost, never false', async () => {
    const { test, proxy } = behind;
    const [id = ''] = await proofs(1);
    const trap = proxy.trap(STATEMENTS.find, 'lose-answer');

    await expect(test.confirmer.check(id)).rejects.toBeInstanceOf(TwoFactorUnavailableError);
    expect(trap.caught).toBe(1);
    expect((await test.confirmer.check(id))[1]).toBe(true);
  });

  it('I13: a use repeated with its idempotency key throws when the second answer is lost too, and never returns false', async () => {
    const { test, proxy } = behind;
    const [id = ''] = await proofs(1);
    proxy.trap(STATEMENTS.use, 'lose-answer');
    const key = keyOf(id);
    await expect(test.confirmer.use(id, { idempotencyKey: key })).rejects.toBeInstanceOf(
      TwoFactorUnavailableError,
    );
    const trap = proxy.trap(STATEMENTS.find, 'lose-answer');

    await expect(test.confirmer.use(id, { idempotencyKey: key })).rejects.toBeInstanceOf(
      TwoFactorUnavailableError,
    );
    expect(trap.caught).toBe(1);
    expect(await test.confirmer.use(id, { idempotencyKey: key })).toBe(true);
  });

  it('I11: the application served all of this with one pool and no restart', async () => {
    const { test } = behind;
    const made = await inGroups(40, () => test.confirmer.makeConfirmation({ isConfirmed: true }));

    expect(tally(await inGroups(40, (at) => outcomeOf(test.confirmer.use(made[at]!))))).toEqual({
      true: 40,
    });
  });
});
