// The server committed and the answer was lost, as after a reset connection, a failing network card or a failover.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import {
  ConfirmationRecord,
  DeliveryService,
  TwoFactorUnavailableError,
  type LimitStore,
  type QuotaRequest,
} from '../../../lib/index.js';
import { TWO_FACTOR_LIMIT_STORE } from '../../../lib/two-factor.tokens.js';
import { POOL_SIZE, servers, type EngineName } from '../../support/engines.js';
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

const UNAVAILABLE = 'TwoFactorUnavailableError';
const COUNT = 200;
const keyOf = (id: string): string => `key-of-${id}`;

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
    proxy.trap(/^INSERT INTO unguarded_effect/, 'lose-answer', 20);

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

  /** Each call, and what it leaves when it was done without an answer and when it never arrived. */
  interface Call {
    readonly name: string;
    readonly statement: RegExp;
    readonly prepare: () => Promise<{ id: string; code: string | null }>;
    readonly call: (id: string, code: string | null) => Promise<unknown>;
    /** The row after the fault. */
    readonly untouched: Partial<ConfirmationRecord>;
    readonly done: Partial<ConfirmationRecord>;
    /** What the same call answers then. */
    readonly again: (id: string, code: string | null, wasDone: boolean) => Promise<void>;
  }

  /** Each for another token: the limits of one are for few. */
  let tokens = 0;
  const newToken = (): string => {
    tokens += 1;
    return `token-${tokens}@example.com`;
  };
  const pending = async (): Promise<{ id: string; code: string | null }> =>
    behind.direct.confirmer.makeConfirmation({ token: newToken(), way: 'default' });
  const confirmed = async (): Promise<{ id: string; code: string | null }> =>
    behind.direct.confirmer.makeConfirmation({ isConfirmed: true });
  const number = expect.any(Number) as unknown as number;

  const calls: readonly Call[] = [
    {
      name: 'confirm with a wrong code',
      statement: STATEMENTS.confirm,
      prepare: pending,
      call: (id) => behind.test.confirmer.confirm(id, 'WRONGCODE'),
      untouched: { attempts: 0, confirmedAt: null },
      // Charged at least once, never given back.
      done: { attempts: 1, confirmedAt: null },
      again: async (id, code, wasDone) => {
        const [state, done] = await behind.test.confirmer.confirm(id, 'WRONGCODE');
        expect([state?.attemptsLeft, done]).toEqual([wasDone ? 3 : 4, false]);
        expect((await behind.test.confirmer.confirm(id, code!))[1]).toBe(true);
      },
    },
    {
      name: 'confirm with the right code',
      statement: STATEMENTS.confirm,
      prepare: pending,
      call: (id, code) => behind.test.confirmer.confirm(id, code!),
      untouched: { attempts: 0, confirmedAt: null, useBefore: null },
      done: { attempts: 1, confirmedAt: number, useBefore: number },
      again: async (id, code, wasDone) => {
        const { confirmer } = behind.test;
        expect((await confirmer.check(id))[1]).toBe(wasDone);
        // `true` says that this very call confirmed it, and the status says the rest.
        expect(await confirmer.confirm(id, code!)).toMatchObject([
          { status: 'confirmed', attemptsLeft: 4 },
          !wasDone,
        ]);
        expect((await confirmer.check(id))[1]).toBe(true);
        expect(await confirmer.use(id)).toBe(true);
      },
    },
    {
      name: 'use',
      statement: STATEMENTS.use,
      prepare: confirmed,
      call: (id) => behind.test.confirmer.use(id, { idempotencyKey: keyOf(id) }),
      untouched: { usedAt: null, useKey: null },
      done: { usedAt: number },
      again: async (id) => {
        expect(await behind.test.confirmer.use(id, { idempotencyKey: keyOf(id) })).toBe(true);
        expect(await behind.test.confirmer.use(id)).toBe(false);
      },
    },
    {
      name: 'confirm by hand',
      statement: /^UPDATE .two_factor_confirmation. SET .confirmed_at. = /,
      prepare: pending,
      call: async (id) => {
        const [state] = await behind.test.confirmer.check(id);
        return state!.confirm();
      },
      untouched: { confirmedAt: null },
      done: { confirmedAt: number },
      again: async (id, _, wasDone) => {
        const [state] = await behind.test.confirmer.check(id);
        expect(await state!.confirm()).toBe(!wasDone);
        expect(await behind.test.confirmer.use(id)).toBe(true);
      },
    },
    {
      name: 'cancel',
      statement: STATEMENTS.cancel,
      prepare: pending,
      call: (id) => behind.test.confirmer.cancel(id),
      untouched: { cancelledAt: null },
      done: { cancelledAt: number },
      again: async (id, code, wasDone) => {
        expect(await behind.test.confirmer.cancel(id)).toBe(!wasDone);
        expect((await behind.test.confirmer.confirm(id, code!))[1]).toBe(false);
      },
    },
    {
      name: 'send',
      statement: STATEMENTS.bind,
      prepare: pending,
      call: async (id) => {
        const [state] = await behind.direct.confirmer.check(id);
        return behind.test.sender.send(null, state!.token!, id);
      },
      untouched: { sends: 0, lastSentAt: null },
      // Charged, though the provider was never called.
      done: { sends: 1, lastSentAt: number },
      again: async (id, code, wasDone) => {
        const { twoFactor, inbox, confirmer, clock } = behind.test;
        const sent = (): number => inbox.deliveries.filter(({ state }) => state.id === id).length;
        expect(sent()).toBe(0);
        if (wasDone) {
          await expect(twoFactor.resend(id)).rejects.toMatchObject({ code: 'too-many-requests' });
          expect(sent()).toBe(0);
          clock.advance(30);
        }
        await twoFactor.resend(id);
        expect(sent()).toBe(1);
        expect(inbox.lastCode).toBe(code);
        expect((await confirmer.confirm(id, code!))[1]).toBe(true);
      },
    },
  ];

  describe.each(calls)('$name', ({ statement, prepare, call, untouched, done, again }) => {
    it.each(['cut-before', 'lose-answer', 'half-close'] as const)(
      'I13: fails closed at %s, leaves what the server had done, and works when it is repeated',
      async (fault) => {
        const { proxy, row } = behind;
        const { id, code } = await prepare();
        const trap = proxy.trap(statement, fault);

        await expect(call(id, code)).rejects.toBeInstanceOf(TwoFactorUnavailableError);

        expect(trap.caught).toBe(1);
        const wasDone = fault !== 'cut-before';
        expect(await row(id)).toMatchObject(wasDone ? done : untouched);
        await again(id, code, wasDone);
      },
    );
  });

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

/** Keeps no counter, and remembers what was charged and what was given back. */
class CountingStore implements LimitStore {
  readonly charged: string[] = [];
  readonly refunded: string[] = [];

  consume(charges: readonly QuotaRequest[]): ReturnType<LimitStore['consume']> {
    this.charged.push(...charges.flatMap(({ key, checkOnly }) => (checkOnly ? [] : key)));
    return Promise.resolve({ exhausted: [], consumed: [] });
  }

  refund(charges: readonly QuotaRequest[]): Promise<void> {
    this.refunded.push(...charges.map(({ key }) => key));
    return Promise.resolve();
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  read(): ReturnType<LimitStore['read']> {
    return Promise.resolve([]);
  }
}

describe.each(servers)('A queued message whose answer is lost on %s', (engine) => {
  it.each([
    ['lose-answer', 60_000],
    ['half-close', 60_000],
    // Its deadline expires while the server commits.
    ['hold-answer', 3_000],
  ] as const)(
    'I20: keeps its charge at %s, because it is committed and will be sent',
    async (fault, databaseTimeoutMs) => {
      const store = new CountingStore();
      const behind = await startBehindProxy(engine, {
        options: {
          databaseTimeoutMs,
          delivery: 'queued',
          worker: false,
          limits: {},
          limitStore: { provide: TWO_FACTOR_LIMIT_STORE, useValue: store },
        },
      });
      const { test, direct, proxy } = behind;
      // PostgreSQL writes both rows by one statement, the others in a transaction.
      const lost = engine === 'postgres' ? /INSERT INTO .two_factor_delivery/ : STATEMENTS.commit;
      const trap = proxy.trap(lost, fault);

      await expect(test.twoFactor.request({ token: 'ann@example.com' })).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );

      expect(trap.caught).toBe(1);
      proxy.calm();
      expect(await direct.dataSource.getRepository(ConfirmationRecord).count()).toBe(1);
      const { length: charged } = store.charged;
      expect(charged).toBeGreaterThan(0);
      expect(await test.app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
      expect(test.inbox.deliveries).toHaveLength(1);
      expect(store.charged).toHaveLength(charged);
      expect(store.refunded).toEqual([]);
      await behind.close();
    },
  );

  it('I20: gives its charge back when another request with the same key was faster', async () => {
    const store = new CountingStore();
    const behind = await startBehindProxy(engine, {
      options: {
        databaseTimeoutMs: 60_000,
        delivery: 'queued',
        worker: false,
        limits: {},
        limitStore: { provide: TWO_FACTOR_LIMIT_STORE, useValue: store },
      },
    });
    const { test } = behind;
    const request = { token: 'ann@example.com', idempotencyKey: `concurrent-on-${engine}` };

    const [one, other] = await Promise.all([
      test.twoFactor.request(request),
      test.twoFactor.request(request),
    ]);

    expect(other.id).toBe(one.id);
    const kept = store.charged.length - store.refunded.length;
    expect(kept).toBe(new Set(store.charged).size);
    expect(await test.app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
    await behind.close();
  });
});

/** Each of them keeps the rows of a queued message from being committed. */
const OBSTACLES: readonly {
  readonly name: string;
  readonly without?: EngineName;
  readonly databaseTimeoutMs: number;
  readonly error: string;
  /** @returns what removes it. */
  readonly raise: (behind: BehindProxy, engine: EngineName) => Promise<() => Promise<unknown>>;
}[] = [
  {
    name: 'waits for a connection of an exhausted pool until its deadline',
    databaseTimeoutMs: 1_000,
    error: UNAVAILABLE,
    raise: async ({ test }) => {
      const runners = Array.from({ length: POOL_SIZE }, () => test.dataSource.createQueryRunner());
      await Promise.all(runners.map((runner) => runner.connect()));
      return () => Promise.all(runners.map((runner) => runner.release()));
    },
  },
  {
    name: 'is held until its deadline before its COMMIT was sent',
    // There the one statement that inserts both rows commits as well, so that its outcome is unknown.
    without: 'postgres',
    databaseTimeoutMs: 1_000,
    error: UNAVAILABLE,
    raise: async ({ direct }) => {
      const runner = direct.dataSource.createQueryRunner();
      await runner.query('LOCK TABLES two_factor_delivery WRITE');
      return async () => {
        await runner.query('UNLOCK TABLES');
        await runner.release();
      };
    },
  },
  {
    name: 'is refused by a trigger of the queue',
    databaseTimeoutMs: 60_000,
    error: 'TwoFactorConfigurationError',
    raise: async ({ direct }, engine) => {
      const { dataSource } = direct;
      if (engine === 'postgres') {
        await dataSource.query(
          `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$`,
        );
        await dataSource.query(
          'CREATE TRIGGER refusing BEFORE INSERT ON two_factor_delivery FOR EACH ROW EXECUTE FUNCTION refuse()',
        );
      } else {
        await dataSource.query(
          `CREATE TRIGGER refusing BEFORE INSERT ON two_factor_delivery FOR EACH ROW SIGNAL SQLSTATE '45000'`,
        );
      }
      const onTable = engine === 'postgres' ? ' ON two_factor_delivery' : '';
      return () => dataSource.query(`DROP TRIGGER refusing${onTable}`);
    },
  },
];

const obstacles = servers.flatMap((engine) =>
  OBSTACLES.filter(({ without }) => without !== engine).map((obstacle) => ({
    engine,
    ...obstacle,
  })),
);

describe.each(obstacles)(
  'A queued message that $name on $engine',
  ({ engine, databaseTimeoutMs, error, raise }) => {
    it('I20: gives its charge back, because nothing was committed and nothing will be sent', async () => {
      const store = new CountingStore();
      const behind = await startBehindProxy(engine, {
        options: {
          databaseTimeoutMs,
          delivery: 'queued',
          worker: false,
          limits: {},
          limitStore: { provide: TWO_FACTOR_LIMIT_STORE, useValue: store },
        },
      });
      const { test, direct } = behind;
      const remove = await raise(behind, engine);

      // Several at once, which PostgreSQL writes by one statement.
      const asked = await Promise.all(
        [1, 2, 3].map((at) =>
          outcomeOf(test.twoFactor.request({ token: `ann-${at}@example.com` })),
        ),
      );

      expect(tally(asked)).toEqual({ [error]: 3 });
      await remove();
      expect(await direct.dataSource.getRepository(ConfirmationRecord).count()).toBe(0);
      expect(store.charged.length).toBeGreaterThan(0);
      await vi.waitFor(() => expect(store.refunded.toSorted()).toEqual(store.charged.toSorted()));
      expect(await test.app.get(DeliveryService, { strict: false }).sweep()).toBe(0);
      await behind.close();
    });
  },
);
