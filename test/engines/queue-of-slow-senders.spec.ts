// A provider that does not answer must hold up its own messages alone, and must not fill the memory of an instance.
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it } from 'vitest';

import { DeliveryService } from '../../lib/index.js';
import { engines, openDatabase, type EngineName } from '../support/engines.js';
import { NaiveDeliveries } from '../support/naive-deliveries.js';
import { startApp, type TestApp } from '../support/test-app.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** A provider that answers nothing for the recipients `slow-...` before it is opened. */
class Gate {
  readonly tokens: string[] = [];
  #open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  readonly send = async ({ token }: { readonly token: string }): Promise<void> => {
    this.tokens.push(token);
    if (token.startsWith('slow-')) await this.#opened;
  };

  open(): void {
    this.#open();
  }
}

async function start(engine: EngineName, slow: Gate, concurrency: number): Promise<TestApp> {
  const sent: string[] = [];
  const test = await startApp({
    engine,
    options: {
      delivery: 'queued',
      // No look for due messages happens during a test.
      worker: { concurrency, pollSeconds: 300 },
      sendTimeoutMs: 30_000,
      senders: {
        default: {
          backend:
            () =>
            ({ token }: { readonly token: string }) =>
              void sent.push(token),
        },
        slow: { backend: () => slow.send },
      },
    },
  });
  ends.push(() => {
    slow.open();
    return test.close();
  });
  return Object.assign(test, { sent });
}

const sentOf = (test: TestApp): string[] => (test as TestApp & { sent: string[] }).sent;
/** How many messages are in the table, of one confirmation or of all. */
async function rowsOf({ dataSource }: TestApp, id?: string): Promise<number> {
  const rows: { confirmation: string }[] = await dataSource.query(
    'SELECT confirmation FROM two_factor_delivery',
  );
  return rows.filter(({ confirmation }) => id === undefined || confirmation === id).length;
}

const dueOf = (row: unknown): unknown => (row as { readonly due_at: unknown }).due_at;

/** What is used up of each budget. */
async function spentOf({ dataSource }: TestApp): Promise<unknown[]> {
  return dataSource.query('SELECT id, amount FROM two_factor_limit ORDER BY id');
}

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 2_400; round += 1) {
    if (await isSo()) return;
    await sleep(25);
  }
  throw new Error('It did not happen within a minute.');
}

describe.each(engines)('The queue of a sender that does not answer on %s', (engine) => {
  it('holds up no message of another sender', async () => {
    const slow = new Gate();
    const test = await start(engine, slow, 2);
    for (let count = 0; count < 8; count += 1) {
      await test.twoFactor.request({ token: `slow-${count}@example.com`, way: 'slow' });
    }
    await eventually(() => slow.tokens.length === 2);

    await test.twoFactor.request({ token: 'ann@example.com' });
    await eventually(() => sentOf(test).length === 1);

    expect(sentOf(test)).toEqual(['ann@example.com']);
    expect(slow.tokens).toHaveLength(2);
  });

  it('holds up the messages to recipients that strangers name, and no message to a recipient of the application', async () => {
    const slow = new Gate();
    const test = await start(engine, slow, 2);
    const stranger = { way: 'slow', purpose: 'sign-up' } as const;
    // More than are sent and wait in memory. A signed-in client that names its recipient is a stranger too.
    for (let count = 0; count < 50; count += 1) {
      const token = `slow-${count}@example.com`;
      const named = { subject: `thief-${count}`, tokenFrom: 'client' } as const;
      await test.twoFactor.request({ ...stranger, token, ...(count % 2 === 1 && named) });
    }
    await eventually(() => slow.tokens.length === 2);

    for (const subject of ['ann', 'bea', 'cleo']) {
      const token = `${subject}@example.com`;
      const { id } = await test.twoFactor.request({
        subject,
        token,
        way: 'slow',
        purpose: 'login',
      });
      await eventually(async () => (await rowsOf(test, id)) === 0);
      test.clock.advance(60);
      await test.twoFactor.resend(id);
      await eventually(() => slow.tokens.filter((each) => each === token).length === 2);
    }

    expect(slow.tokens.filter((token) => token.startsWith('slow-'))).toHaveLength(2);
  });

  it('gives a message back with its charge, and at once, when it waited in memory for too long', async () => {
    const slow = new Gate();
    const test = await start(engine, slow, 1);
    await test.twoFactor.request({ token: 'slow-1@example.com', way: 'slow' });
    await eventually(() => slow.tokens.length === 1);
    const { id } = await test.twoFactor.request({ token: 'slow-2@example.com', way: 'slow' });
    const spent = await spentOf(test);

    // The lease is sendTimeoutMs and 30 seconds, and the call could take sendTimeoutMs.
    test.clock.advance(31);
    slow.open();
    await eventually(async () => (await rowsOf(test)) === 1);
    const rows = (): Promise<unknown[]> =>
      test.dataSource.query(
        `SELECT is_charged, tries, due_at FROM two_factor_delivery WHERE confirmation = '${id}'`,
      );
    await eventually(async () => Number((await rows()).map(dueOf)[0]) <= test.clock.now());

    expect(await rows()).toMatchObject([{ is_charged: 1, tries: 0 }]);
    expect(slow.tokens).toEqual(['slow-1@example.com']);
    expect(await test.app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
    expect(slow.tokens).toEqual(['slow-1@example.com', 'slow-2@example.com']);
    // Each of the two messages was counted once.
    expect(await spentOf(test)).toEqual(spent);
  });

  it('keeps what it has no room for in the table, and sends it once the provider answers', async () => {
    const slow = new Gate();
    const test = await start(engine, slow, 1);
    // One is being sent, and 16 wait in the memory of the instance.
    for (let count = 0; count < 40; count += 1) {
      await test.twoFactor.request({ token: `slow-${count}@example.com`, way: 'slow' });
    }
    const claimed: unknown[] = await test.dataSource.query(
      'SELECT claims FROM two_factor_delivery WHERE claims > 0',
    );
    expect(claimed).toHaveLength(17);
    const statements = await test.log.during(async () => {
      slow.open();
      await eventually(async () => (await rowsOf(test)) === 0);
    });

    expect(new Set(slow.tokens).size).toBe(40);
    // Each look finds many of them. Those that were kept in memory would be claimed without one.
    expect(statements.filter(({ sql }) => sql.includes('LIMIT 64')).length).toBeGreaterThan(0);
  });
});

const CLOCK = { now: Date.now };
/** More than one read of due messages returns. */
const FLOOD = 80;
/** The reads of a sweep over two senders that finds four messages of one: as many as before the classes were told apart. */
const READS_OF_FOUR = 6;

/** A machine that takes requests and sends nothing, and one that finds all its messages in the table. */
async function startBoth(
  engine: EngineName,
  slow: Gate,
): Promise<{ web: TestApp; sender: TestApp }> {
  const database = await openDatabase(engine);
  const startOne = (worker: object | false): Promise<TestApp> =>
    startApp({
      database,
      options: {
        delivery: 'queued',
        worker,
        clock: CLOCK,
        sendTimeoutMs: 30_000,
        senders: { default: { backend: () => slow.send } },
      },
    });
  ends.push(() => database.drop());
  const web = await startOne(false);
  ends.push(() => web.app.close());
  const sender = await startOne({ concurrency: 2, pollSeconds: 1 });
  ends.push(() => {
    slow.open();
    return sender.app.close();
  });
  return { web, sender };
}

const open = (name: string) => ({ token: `${name}@example.com` });
const bound = (name: string) => ({ ...open(name), subject: name, purpose: 'login' });

// Two applications cannot share a database in memory.
describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'The rounds through the table on %s',
  (engine) => {
    it.each([
      ['open', 'bound', open, bound],
      ['bound', 'open', bound, open],
    ] as const)(
      'send a message of the other class beside any number of slow %s ones, where the naive twin sends none',
      async (slowClass, _, slowOne, other) => {
        const slow = new Gate();
        const { web } = await startBoth(engine, slow);
        const flood: string[] = [];
        for (let count = 0; count < FLOOD; count += 1) {
          // From as many networks, because the limits allow sixty messages an hour of each.
          const requester = `198.18.${count}.1`;
          const { id } = await web.twoFactor.request({ ...slowOne(`slow-${count}`), requester });
          flood.push(id);
        }
        await eventually(() => slow.tokens.length === 2);

        const names = ['ann', 'bea', 'cleo'];
        for (const name of names) {
          await web.twoFactor.request(other(name));
          await eventually(() => slow.tokens.includes(`${name}@example.com`));
        }
        expect(slow.tokens.filter((token) => token.startsWith('slow-'))).toHaveLength(2);

        // The naive twin, on the same rows: its two loops wait for two slow recipients.
        const held = new Gate();
        await web.twoFactor.request(other('dora'));
        const naive = new NaiveDeliveries(web.dataSource, () => Date.now() + 60_000);
        const all = new Set(flood);
        const sent = naive.sendOldestFirst(2, (id) =>
          held.send({ token: all.has(id) ? `slow-${slowClass}` : 'dora@example.com' }),
        );
        await eventually(() => held.tokens.length === 2);
        expect(held.tokens).toEqual([`slow-${slowClass}`, `slow-${slowClass}`]);
        held.open();
        await sent;
      },
    );

    it('cost one statement for each sender when nothing is due, and none more for two classes', async () => {
      const slow = new Gate();
      slow.open();
      const test = await startApp({
        engine,
        options: {
          delivery: 'queued',
          worker: false,
          senders: { default: { backend: () => slow.send }, other: { backend: () => slow.send } },
        },
      });
      ends.push(() => test.close());
      const deliveries = test.app.get(DeliveryService, { strict: false });

      expect(await test.log.during(() => deliveries.sweep())).toHaveLength(2);
      for (const each of [open('ann'), bound('bea'), open('cleo'), bound('dora')]) {
        await test.twoFactor.request(each);
      }
      let claimed = 0;
      const statements = await test.log.during(async () => {
        claimed = await deliveries.sweep();
      });
      const reads = statements.filter(({ sql }) => sql.includes('LIMIT 64'));

      expect(claimed).toBe(4);
      expect(reads.length).toBeLessThanOrEqual(READS_OF_FOUR);
      // Each is claimed, its confirmation read, and its row deleted.
      expect(statements.length - reads.length).toBe(4 * 3);
    });
  },
);
