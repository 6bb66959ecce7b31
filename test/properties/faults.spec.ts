// I13: one statement of a history fails, before it ran or after it, or its connection is not to be had. No success is
// reported that is not in the database, and nothing that was spent comes back.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { DataSource } from 'typeorm';

import { LimitService } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { interceptStatements } from '../support/intercept-statements.js';
import type { TestApp } from '../support/test-app.js';
import { DEADLINE_MS, propertyEngines, runs } from './runs.js';
import { answerOf } from './session.js';
import { expectMonotone } from './steps.js';
import { fingerprint, numberOf, World, type RawRow } from './world.js';

const TOKEN = 'ann@example.com';
const USE_KEY = 'the-key-of-an-effect';

type Kind = 'lost race' | 'lost connection' | 'lost answer' | 'no connection';

interface Fault {
  readonly kind: Kind;
  /** The call that it hits, and the how-manieth of its statements; more of them where it is lasting. */
  readonly call: number;
  readonly index: number;
  readonly lasts: number;
}

class InjectedFault extends Error {
  constructor(readonly code: string | undefined) {
    super('a fault was injected');
  }
}

/** Breaks the statements that a test names; one for one data source. */
class Faults {
  #fault: Fault | undefined;
  #seen = 0;
  hits = 0;

  constructor(dataSource: DataSource) {
    const isEmbedded = dataSource.options.type === 'sqljs';
    const lostRace = isEmbedded ? 'SQLITE_BUSY' : '40001';
    interceptStatements(
      dataSource,
      async (sql, run) => {
        const kind = this.#kindOf(sql);
        if (kind === undefined || (isEmbedded && isOfTheDriver(kind, sql))) return run();
        this.hits += 1;
        if (kind === 'lost race') throw new InjectedFault(lostRace);
        // The database committed, and the answer was lost.
        if (kind === 'lost answer') await run();
        throw new InjectedFault('ECONNRESET');
      },
      { connects: true },
    );
  }

  arm(fault: Fault): void {
    this.#fault = fault;
    this.#seen = 0;
    this.hits = 0;
  }

  disarm(): void {
    this.#fault = undefined;
  }

  #kindOf(sql: string): Kind | undefined {
    const fault = this.#fault;
    // A rollback that does not arrive is the server's to do when the connection ends, and SQLite has but one.
    if (fault === undefined || sql === 'ROLLBACK') return undefined;
    const connects = sql === 'CONNECT';
    if (connects !== (fault.kind === 'no connection')) return undefined;
    const at = this.#seen - fault.index;
    this.#seen += 1;
    return at >= 0 && at < fault.lasts ? fault.kind : undefined;
  }
}

/**
 * What cannot happen without a network, and leaves TypeORM's only SQLite runner in a transaction that is not there: it
 * marks it as begun before BEGIN, and as ended only after ROLLBACK.
 */
function isOfTheDriver(kind: Kind, sql: string): boolean {
  return sql.startsWith('BEGIN') || (sql === 'COMMIT' && kind === 'lost answer');
}

const fault: fc.Arbitrary<Fault> = fc.record({
  kind: fc.constantFrom<Kind>('lost race', 'lost connection', 'lost answer', 'no connection'),
  call: fc.nat({ max: 5 }),
  index: fc.oneof(fc.constant(0), fc.nat({ max: 4 })),
  lasts: fc.oneof(
    { weight: 3, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.constantFrom(2, 8) },
  ),
});

const OPERATIONS = [
  'right',
  'right',
  'wrong',
  'wrong',
  'wrong',
  'byHand',
  'use',
  'use',
  'useWithKey',
  'useInTransaction',
  'useInTransaction',
  'cancel',
  'send',
  'resend',
  'request',
  'make',
  'erase',
  'purge',
] as const;
type Operation = (typeof OPERATIONS)[number];

const configurations = propertyEngines.flatMap((engine) => [
  { engine, with: 'with limits', limits: {} },
  { engine, with: 'without limits', limits: false as const },
]);

describe.each(configurations)('On $engine $with', ({ engine, limits }) => {
  let world: World;
  let app: TestApp;
  let faults: Faults;

  beforeAll(async () => {
    world = await World.open({ engine, options: { limits } });
    // The world itself looks at the table through its first application, which nothing is done to.
    app = await world.app(['old'], 1);
    await app.dataSource.query('CREATE TABLE ledger (confirmation varchar(36))');
    faults = new Faults(app.dataSource);
  });
  afterAll(() => world.close());

  const effects = async (id: string): Promise<number> => {
    const { dataSource } = await world.app(['old']);
    const rows: unknown[] = await dataSource.query(
      `SELECT * FROM ledger WHERE confirmation = '${id}'`,
    );
    return rows.length;
  };

  const useInTransaction = (id: string): Promise<boolean> =>
    app.dataSource.transaction(async (manager) => {
      const used = await app.confirmer.use(id, { subject: 'ann', manager });
      if (used) await manager.query(`INSERT INTO ledger VALUES ('${id}')`);
      return used;
    });

  it(
    'reports no success that is not durable when any statement fails in any way (I13)',
    async () => {
      const history = fc.array(fc.constantFrom(...OPERATIONS), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(history, fc.boolean(), fault, async (operations, isConfirmed, fault) => {
          await world.clear();
          const { dataSource } = await world.app(['old']);
          await dataSource.query('DELETE FROM ledger');
          const made = await app.twoFactor.request({ token: TOKEN, subject: 'ann' });
          const { id, state } = made;
          const code = world.drawn[0]!;
          if (isConfirmed) await app.confirmer.confirm(id, code);
          world.clock.advanceTo(world.clock.now() + 30_000);
          let before = await world.rows();
          let confirms = isConfirmed ? 1 : 0;
          let usesOutside = 0;
          const winners: string[] = [];

          for (const [call, operation] of operations.entries()) {
            if (call === fault.call % operations.length) faults.arm(fault);
            const hits = faults.hits;
            const sent = world.deliveries.length;
            if (operation === 'right' || operation === 'wrong') confirms += 1;
            if (operation === 'use' || operation === 'useWithKey') usesOutside += 1;
            const answer = await perform(operation).catch((error: unknown) => {
              // Of a transaction's own statements the application hears from its database.
              if (operation === 'useInTransaction' && error instanceof InjectedFault) return error;
              answerOf(error);
              return error as Error;
            });
            if (answer instanceof Error && faults.hits === hits) {
              // Without a fault there are only the refusals that the life of a confirmation knows.
              expect(answerOf(answer)['error']).not.toBe('temporarily-unavailable');
            }
            const rows = await world.rows();
            expectMonotone(before, rows);
            before = rows;
            await expectDurable(operation, answer, rows, sent);
            if (answer === true && operation.startsWith('use')) winners.push(operation);
          }
          faults.disarm();

          const row = before.get(id);
          const compared = (await world.comparisons()).get(id) ?? 0;
          expect(compared).toBeLessThanOrEqual(Math.min(confirms, 5));
          const kept = winners.filter((operation) => operation !== 'useWithKey');
          expect(kept.length).toBeLessThanOrEqual(1);
          if (kept.length === 1) expect(winners).toHaveLength(1);
          expect(await effects(id)).toBeLessThanOrEqual(1);
          if (row === undefined) return;
          expect(numberOf(row, 'attempts')).toBe(compared);
          // A message is charged before it is sent.
          const messages = world.deliveries.filter(({ state }) => state.id === id).length;
          expect(numberOf(row, 'sends')).toBeGreaterThanOrEqual(messages);
          // Effect and proof live in one transaction: whatever was lost, they are both there or neither is.
          if (usesOutside === 0) expect(await effects(id)).toBe(row['used_at'] === null ? 0 : 1);
          if (limits !== false && row['confirmed_at'] === null) {
            // No code is ever compared that was not counted before.
            const service = app.app.get(LimitService, { strict: false });
            const { count } = await service.failures({ subject: 'ann', token: TOKEN });
            expect(count).toBeGreaterThanOrEqual(compared);
          }
          // L1: the fault is over, and what it did not spend works.
          if (row['confirmed_at'] === null && row['cancelled_at'] === null && compared < 5) {
            expect((await app.confirmer.confirm(id, code))[1]).toBe(true);
          }

          async function perform(operation: Operation): Promise<unknown> {
            const { confirmer, sender, twoFactor } = app;
            switch (operation) {
              case 'right':
                return (await confirmer.confirm(id, code))[1];
              case 'wrong':
                return (await confirmer.confirm(id, WRONG_CODE))[1];
              case 'byHand':
                return state.confirm();
              case 'use':
                return confirmer.use(id, { subject: 'ann' });
              case 'useWithKey':
                return confirmer.use(id, { subject: 'ann', idempotencyKey: USE_KEY });
              case 'useInTransaction':
                return useInTransaction(id);
              case 'cancel':
                return confirmer.cancel(id);
              case 'send':
                return sender.send(null, TOKEN, id);
              case 'resend':
                return (await twoFactor.resend(id)).state;
              case 'request':
                return (await twoFactor.request({ token: TOKEN, subject: 'bob' })).state;
              case 'make':
                return confirmer.makeConfirmation({ subject: 'bob' });
              case 'erase':
                return confirmer.erase({ subject: 'bob' });
              case 'purge':
                return confirmer.purge();
              default:
                return operation satisfies never;
            }
          }

          async function expectDurable(
            operation: Operation,
            answer: unknown,
            rows: ReadonlyMap<string, RawRow>,
            sent: number,
          ): Promise<void> {
            const row = rows.get(id)!;
            if (operation === 'wrong') expect(answer).not.toBe(true);
            if (answer === true) {
              const column = operation.startsWith('use')
                ? 'used_at'
                : operation === 'cancel'
                  ? 'cancelled_at'
                  : 'confirmed_at';
              expect(row[column]).not.toBeNull();
              if (operation === 'useInTransaction') expect(await effects(id)).toBe(1);
            }
            if (answer instanceof Error || typeof answer !== 'object' || answer === null) return;
            const { id: answered } = answer as { id: string };
            expect(rows.has(answered)).toBe(true);
            if (operation === 'make') return;
            const messages = world.deliveries.slice(sent);
            expect(messages.map(({ state }) => state.id)).toEqual([answered]);
            expect(fingerprint(messages[0]!.code)).not.toBe('');
          }
        }),
        runs(),
      );
    },
    DEADLINE_MS,
  );

  it('makes the named statement fail, without which the property above would show nothing', async () => {
    await world.clear();
    const made = await app.confirmer.makeConfirmation({ isConfirmed: true });

    faults.arm({ kind: 'lost answer', call: 0, index: 0, lasts: 1 });
    const answer = app.confirmer.use(made);

    await expect(answer).rejects.toMatchObject({ code: 'temporarily-unavailable' });
    faults.disarm();
    expect(faults.hits).toBe(1);
    expect(await app.confirmer.use(made)).toBe(false);
  });
});
