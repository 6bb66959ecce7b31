// A message of a queue is charged before its rows are written. When the server does not say whether it has committed them, the charge
// must stay: a refund would let more messages leave than the limits allow.
import { describe, expect, it, vi } from 'vitest';

import {
  ConfirmationRecord,
  DeliveryService,
  TwoFactorUnavailableError,
  type LimitStore,
  type QuotaRequest,
} from '../../../lib/index.js';
import { TWO_FACTOR_LIMIT_STORE } from '../../../lib/two-factor.tokens.js';
import { POOL_SIZE, servers, type EngineName } from '../../support/engines.js';
import {
  expectNoStrayRejections,
  outcomeOf,
  startBehindProxy,
  STATEMENTS,
  tally,
  type BehindProxy,
} from './behind-proxy.js';
import { UNAVAILABLE } from './public-calls.js';

expectNoStrayRejections();

/** Where it has to expire. Calls must succeed within it, on a machine that may be busy. Its waits pass side by side. */
const DEADLINE_MS = 5_000;

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

/** An application that queues its messages, behind a proxy, with a store that counts the charges. */
async function startCounting(
  engine: EngineName,
  databaseTimeoutMs: number,
): Promise<{ store: CountingStore; behind: BehindProxy }> {
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
  return { store, behind };
}

describe.concurrent.each(servers)('A queued message whose answer is lost on %s', (engine) => {
  it.sequential.each([
    ['lose-answer', 60_000],
    ['half-close', 60_000],
    // Its deadline expires while the server commits.
    ['hold-answer', DEADLINE_MS],
  ] as const)(
    'I20: keeps its charge at %s, because it is committed and will be sent',
    async (fault, databaseTimeoutMs) => {
      const { store, behind } = await startCounting(engine, databaseTimeoutMs);
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

  it.sequential(
    'I20: gives its charge back when another request with the same key was faster',
    async () => {
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
    },
  );
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
    databaseTimeoutMs: DEADLINE_MS,
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
    databaseTimeoutMs: DEADLINE_MS,
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

describe.concurrent.each(obstacles)(
  'A queued message that $name on $engine',
  ({ engine, databaseTimeoutMs, error, raise }) => {
    it('I20: gives its charge back, because nothing was committed and nothing will be sent', async () => {
      const { store, behind } = await startCounting(engine, databaseTimeoutMs);
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
      await vi.waitFor(() => expect(store.refunded.toSorted()).toEqual(store.charged.toSorted()), {
        timeout: 60_000,
      });
      expect(await test.app.get(DeliveryService, { strict: false }).sweep()).toBe(0);
      await behind.close();
    });
  },
);
