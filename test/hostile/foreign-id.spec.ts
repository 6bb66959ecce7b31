/**
 * The id of another customer's confirmation against an id that was never made, over HTTP. It proves that the two cannot be
 * told apart by the answer or by the work behind it: the same statements, no write, no row lock, the same calls of the
 * application's resolvers.
 */
import type { ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { LimitRecord } from '../../lib/index.js';
import { newId } from '../../lib/crypto/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines, servers } from '../support/engines.js';
import { comparable, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user'];

/** What the application's resolvers were called for. */
const calls: string[] = [];
const subject = (context: ExecutionContext): string | undefined => {
  calls.push('subject');
  return userOf(context);
};
const admin = (context: ExecutionContext): string | undefined => {
  calls.push('admin');
  return userOf(context) && `admin ${userOf(context)}`;
};
const throwing = (): never => {
  calls.push('throwing');
  throw new Error('no session store');
};
const recipient = (): string => {
  calls.push('recipient');
  return 'owner@example.com';
};

const WORLDS = [
  {
    what: 'one subject resolver',
    statuses: [404],
    purposes: { open: {}, transfer: { subject, recipient }, login: { subject, recipient } },
  },
  {
    what: 'two subject resolvers',
    statuses: [404],
    purposes: { open: {}, transfer: { subject, recipient }, admin: { subject: admin, recipient } },
  },
  {
    what: 'two subject resolvers, one of which throws',
    statuses: [404, 500],
    purposes: {
      open: {},
      transfer: { subject, recipient },
      other: { subject: throwing, recipient },
    },
  },
];
const CALLERS: readonly (readonly [string, Record<string, string>])[] = [
  ['another customer', { 'x-user': 'bob' }],
  ['a stranger', {}],
];
const ROUTES = [
  'confirm with a wrong code',
  'confirm with the right code',
  'check',
  'resend',
] as const;
const cases = CALLERS.flatMap(([caller, headers]) =>
  ROUTES.map((route) => ({ caller, headers, route })),
);

async function call(
  test: HttpTestApp,
  route: (typeof ROUTES)[number],
  headers: Record<string, string>,
  target: { readonly id: string; readonly code: string },
): Promise<Answer> {
  const { id, code } = target;
  if (route === 'check' || route === 'resend')
    return test.post(`/2factor/${route}`, { id }, headers);
  const typed = route === 'confirm with a wrong code' ? WRONG_CODE : code;
  return test.post('/2factor/confirm', { id, code: typed }, headers);
}

/** What a call caused. */
async function traceOf(
  test: HttpTestApp,
  work: () => Promise<Answer>,
): Promise<{
  answer: { status?: number };
  statements: string[];
  resolvers: string[];
}> {
  calls.length = 0;
  let answer = {};
  const statements = await test.log.during(async () => {
    answer = comparable(await work()) as typeof answer;
  });
  return { answer, statements: statements.map(({ sql }) => sql), resolvers: [...calls] };
}

describe.each(engines)("Another customer's id on %s", (engine) => {
  describe.each(WORLDS)('with $what', ({ purposes, statuses }) => {
    let test: HttpTestApp;

    beforeAll(async () => {
      test = await startHttpApp({ engine, options: { controller: true, purposes, limits: {} } });
    });
    afterAll(() => test.close());

    const made = async (): Promise<{ id: string; code: string }> => {
      const token = `${newId(test.clock.now())}@example.com`;
      const { id, code } = await test.confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: token,
        token,
      });
      return { id, code: code! };
    };
    const limitRows = async (): Promise<unknown[]> =>
      test.dataSource.getRepository(LimitRecord).find({ order: { id: 'ASC' } });
    const lockOf = async (id: string): Promise<unknown> => {
      const rows: unknown = await test.dataSource.query(
        `SELECT xmax::text AS "lockedBy" FROM two_factor_confirmation WHERE id = '${id}'`,
      );
      return rows;
    };

    it.each(cases)(
      'is answered as an unknown one, by the same work, when $caller calls: $route',
      async ({ headers, route }) => {
        const foreign = await made();
        const row = await test.row(foreign.id);
        const limits = await limitRows();

        const ofForeign = await traceOf(test, () => call(test, route, headers, foreign));
        const unknown = { id: newId(test.clock.now()), code: foreign.code };
        const ofUnknown = await traceOf(test, () => call(test, route, headers, unknown));

        expect(statuses).toContain(ofForeign.answer.status);
        expect(ofForeign).toEqual(ofUnknown);
        expect(await test.row(foreign.id)).toEqual(row);
        expect(await limitRows()).toEqual(limits);
        // PostgreSQL writes a row lock into the row; it stays there when the lock is gone.
        if (engine === 'postgres') expect(await lockOf(foreign.id)).toEqual([{ lockedBy: '0' }]);
      },
    );
  });
});

describe.each(servers)("Another customer's id on %s", (engine) => {
  let test: HttpTestApp;

  beforeAll(async () => {
    const { purposes } = WORLDS[0]!;
    test = await startHttpApp({
      engine,
      options: { controller: true, purposes, limits: {}, databaseTimeoutMs: 20_000 },
    });
  });
  afterAll(() => test.close());

  it.each(cases)(
    'is answered while its row is locked by another transaction, when $caller calls: $route',
    async ({ headers, route }) => {
      const { id, code } = await test.confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: newId(test.clock.now()),
      });
      const answer = await test.dataSource.transaction(async (manager) => {
        await manager.query(`SELECT id FROM two_factor_confirmation WHERE id = '${id}' FOR UPDATE`);
        return call(test, route, headers, { id, code: code! });
      });
      // A caller that waits for the owner's row lock would learn that there is such a row.
      expect(answer.status).toBe(404);
    },
  );

  it('is refused in the naive twin, which locks the row before it asks whose it is', async () => {
    const { id } = await test.confirmer.makeConfirmation({
      purpose: 'transfer',
      subject: newId(test.clock.now()),
    });
    const lock = `SELECT id FROM two_factor_confirmation WHERE id = '${id}' FOR UPDATE`;
    const naive = (): Promise<unknown> =>
      test.dataSource.transaction((manager) => manager.query(`${lock} NOWAIT`));
    await test.dataSource.transaction(async (manager) => {
      await manager.query(lock);
      await expect(naive()).rejects.toThrow(/lock/i);
    });
    expect(await naive()).toHaveLength(1);
  });
});
