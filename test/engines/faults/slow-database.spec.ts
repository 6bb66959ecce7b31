// The default options on a database that is slow, or never answers, with more callers than it can serve: no wait adds up.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { servers } from '../../support/engines.js';
import {
  expectNoStrayRejections,
  outcomeOf,
  quietly,
  startBehindProxy,
  tally,
  type BehindProxy,
} from './behind-proxy.js';
import { chargesOf, UNAVAILABLE } from './public-calls.js';

/** The default is 5,000. The delays below are those of 200 ms and 2 s beside it, and of one that never ends. */
const TIMEOUT_MS = 3_000;
/** What a busy machine may need beside it. A second wait of the same length would take longer. */
const MARGIN_MS = 2_700;
const CALLERS = 200;
const EVERY_STATEMENT = /two_factor_/;

expectNoStrayRejections();

/**
 * PostgreSQL charges in the statement that makes the confirmation, so that even a lost answer leaves both or neither.
 * MariaDB takes several statements: a charge that could not be given back, because the database did not answer, stays.
 */
const expectExactCharges = {
  postgres: async ({ direct }: BehindProxy): Promise<void> => {
    const totals = async (): Promise<boolean> => {
      const made: { count: string | number }[] = await direct.dataSource.query(
        'SELECT count(*) AS count FROM two_factor_confirmation',
      );
      const { limits } = await chargesOf({ direct });
      // The limit that all messages share is the highest one.
      return Math.max(...Object.values(limits)) === Number(made[0]!.count);
    };
    await expect.poll(totals, { timeout: 60_000 }).toBe(true);
  },
  mariadb: async (): Promise<void> => undefined,
  mysql: async (): Promise<void> => undefined,
};

describe.each(servers)('A slow database with default options on %s', (engine) => {
  let behind: BehindProxy;
  let people = 0;

  beforeAll(async () => {
    behind = await startBehindProxy(engine, {
      ...quietly,
      options: { databaseTimeoutMs: TIMEOUT_MS, limits: {} },
      dataSource: { poolSize: 10 },
    });
    // Every connection is open, and knows its statements.
    await Promise.all(Array.from({ length: 20 }, () => request()));
  });
  afterAll(() => behind.close());

  const request = async (): Promise<string> => {
    people += 1;
    const { state } = await behind.test.twoFactor.request({
      token: `user-${people}@example.com`,
      subject: `user-${people}`,
      purpose: 'login',
    });
    return state.status;
  };

  const delays: readonly (readonly [string, () => void])[] = [
    ['is late by 120 ms', () => (behind.proxy.delayMs = 120)],
    ['is late by 1200 ms', () => (behind.proxy.delayMs = 1_200)],
    ['never comes', () => behind.proxy.trap(EVERY_STATEMENT, 'hold-request', Infinity)],
  ];

  it.each(delays)(
    'ends each of 200 requests within timeoutMs when each answer %s, and works again when that is over',
    async (_, begin) => {
      begin();
      const startedAt = performance.now();
      const ends = await Promise.all(
        Array.from({ length: CALLERS }, async () => {
          const outcome = await outcomeOf(request());
          return { outcome, tookMs: performance.now() - startedAt };
        }),
      );
      behind.proxy.calm();

      const { pending = 0, [UNAVAILABLE]: refused = 0 } = tally(ends.map(({ outcome }) => outcome));
      expect(pending + refused).toBe(CALLERS);
      const slowestMs = Math.max(...ends.map(({ tookMs }) => tookMs));
      expect(slowestMs).toBeLessThan(TIMEOUT_MS + MARGIN_MS);
      // What is given back of the calls that were refused is done first.
      await expect.poll(() => outcomeOf(request()), { timeout: 60_000 }).toBe('pending');
      await expectExactCharges[engine](behind);
    },
  );
});
