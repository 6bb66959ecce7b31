// Threat: a proof, a code or an id is carried to where it does not belong (security.md, section 2 E; invariants I6, I10).
import {
  Controller,
  HttpCode,
  Post,
  UnauthorizedException,
  type ExecutionContext,
} from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { RequireConfirmation, type PurposeDefinition } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { doors, FAILURES_ONLY, httpDoors, services, type Entrance } from '../support/doors.js';
import { engines, type EngineName } from '../support/engines.js';
import { comparable, type Answer } from '../support/http.js';
import { startApp } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];

@Controller()
class VaultController {
  @Post('withdraw')
  @HttpCode(200)
  @RequireConfirmation('withdraw')
  withdraw(): { done: true } {
    return { done: true };
  }

  @Post('enter')
  @HttpCode(200)
  @RequireConfirmation('login')
  enter(): { done: true } {
    return { done: true };
  }
}

const recipient = (context: ExecutionContext): string => `${userOf(context)}@example.com`;

const purposes: Readonly<Record<string, PurposeDefinition>> = {
  '': { open: true },
  login: { subject: userOf, recipient },
  withdraw: { subject: userOf, recipient },
  'sign-in-first': {
    subject: (context: ExecutionContext) => {
      const user = userOf(context);
      if (user === undefined) throw new UnauthorizedException();
      return user;
    },
    recipient,
  },
};

describe.each(doors)('Binding, through $name:', ({ open }) => {
  let door: Entrance;
  beforeAll(async () => {
    door = await open();
  });
  afterAll(() => door.close());

  it('54 counts the code of one confirmation as wrong for another one, also of the same person', async () => {
    const mine = await door.made();
    const other = await door.made();

    expect(await door.confirm(mine.id, other.code)).toBe('code-mismatch, 4 left');
    expect(await door.confirm(other.id, mine.code)).toBe('code-mismatch, 4 left');
    expect(await door.row(mine.id)).toMatchObject({ confirmedAt: null, attempts: 1 });
    expect(await door.confirm(mine.id, mine.code)).toBe('done');
    expect(await door.confirm(other.id, other.code)).toBe('done');
  });

  it('54 accepts no MAC that was copied from another row', async () => {
    const mine = await door.made();
    const other = await door.made();
    const { codeMac } = await door.row(other.id);
    await door.test.dataSource.query(
      `UPDATE two_factor_confirmation SET code_mac = '${codeMac}' WHERE id = '${mine.id}'`,
    );

    expect(await door.confirm(mine.id, other.code)).toBe('code-mismatch, 4 left');
    expect(await door.confirm(mine.id, mine.code)).toBe('code-mismatch, 3 left');
  });
});

describe.each(engines)('Binding, through the services on %s:', (engine: EngineName) => {
  it('55, 56 uses a proof only for its own purpose, subject and details, and keeps it usable after a refusal', async () => {
    const test = await startApp({ engine });
    const binding = { purpose: 'login', subject: 'ann', details: { amount: 10 } };
    const state = await test.confirmer.makeConfirmation({ ...binding, isConfirmed: true });
    const others = [
      {},
      { purpose: 'login' },
      { subject: 'ann' },
      { purpose: 'login', subject: 'ann' },
      { ...binding, purpose: 'withdraw' },
      { ...binding, subject: 'eve' },
      { ...binding, details: { amount: 10_000 } },
      { ...binding, details: { amount: '10' } },
      { ...binding, details: { amount: 10, payee: 'eve' } },
      { ...binding, details: [10] },
    ];

    for (const other of others) {
      expect(await test.confirmer.use(state, other)).toBe(false);
      if (Object.keys(other).length > 0)
        expect(await test.confirmer.check(state, other)).toStrictEqual([null, false]);
    }
    expect(await test.confirmer.use(state, binding)).toBe(true);
    await test.close();
  });
});

const settings = httpDoors.flatMap(({ name, open }) => [
  { name, open, with: 'limits', limits: FAILURES_ONLY },
  { name, open, with: 'no limits', limits: false as const },
]);

describe.each(settings)('Binding, over HTTP on $name with $with:', ({ open, limits }) => {
  let door: Entrance;
  beforeAll(async () => {
    door = await open({
      controllers: [VaultController],
      options: { controller: true, purposes, limits },
    });
  });
  afterAll(() => door.close());

  const post = (path: string, body: unknown, user?: string): Promise<Answer> =>
    door.http!.post(path, body, user === undefined ? {} : { 'x-user': user });

  it('55 answers as for an unknown id when the subject of the caller is another one, is spelled differently or is missing', async () => {
    const { id, code } = await door.http!.request({ purpose: 'login' }, { 'x-user': 'ann' });
    door.test.clock.advance(30);

    await door.unchanged(async () => {
      for (const user of ['eve', 'ANN', 'ann.', '', undefined]) {
        for (const route of ['confirm', 'check', 'resend']) {
          expect(await post(`/2factor/${route}`, { id, code }, user)).toBeProblem(404, 'not-found');
        }
      }
    });
    expect(await post('/2factor/confirm', { id, code }, 'ann')).toMatchObject({ status: 200 });
  });

  it('56 opens no route by a proof for another purpose, another subject, or no purpose', async () => {
    const ann = { 'x-user': 'ann' };
    const login = await door.http!.request({ purpose: 'login' }, ann);
    await post('/2factor/confirm', login, 'ann');
    const open_ = await door.made();
    await post('/2factor/confirm', open_);
    const call = async (path: string, id: string, user: string): Promise<number> =>
      (await door.http!.post(path, {}, { 'x-user': user, 'x-confirmation-id': id })).status;

    await door.unchanged(async () => {
      expect(await call('/withdraw', login.id, 'ann')).toBe(403);
      expect(await call('/enter', login.id, 'eve')).toBe(403);
      expect(await call('/enter', open_.id, 'ann')).toBe(403);
      expect(await call('/withdraw', open_.id, 'ann')).toBe(403);
    });
    expect(await call('/enter', login.id, 'ann')).toBe(200);
  });

  it('56 has no confirm route for a purpose that this application does not declare', async () => {
    const { confirmer, inbox, sender } = door.test;
    const state = await confirmer.makeConfirmation({ purpose: 'elsewhere' });
    await sender.send(null, 'ann@example.com', state);
    door.test.clock.advance(30);

    await door.unchanged(async () => {
      for (const route of ['confirm', 'check', 'resend']) {
        const answer = await post(`/2factor/${route}`, { id: state.id, code: inbox.lastCode });
        expect(answer).toBeProblem(404, 'not-found');
      }
    });
  });

  it.each(['confirm', 'check', 'resend'])(
    'I10 answers %s of an unknown, a foreign and a purged id byte for byte alike, by as many statements',
    async (route) => {
      const { confirmer, dataSource, inbox, sender, clock, log } = door.test;
      const ids: Record<string, string> = { unknown: UNKNOWN_ID };
      const ann = { 'x-user': 'ann' };
      ids['purged'] = (await door.made()).id;
      clock.advance(700);
      expect(await confirmer.purge({ olderThan: new Date(clock.now()) })).toBeGreaterThan(0);
      ids["another subject's"] = (await door.http!.request({ purpose: 'login' }, ann)).id;
      const { lastCode: code } = inbox;
      ids["another user's, of a purpose with sign-in"] = (
        await door.http!.request({ purpose: 'sign-in-first' }, ann)
      ).id;
      const undeclared = await confirmer.makeConfirmation({ purpose: 'elsewhere' });
      await sender.send(null, 'ann@example.com', undeclared);
      ids["another purpose's"] = undeclared.id;
      ids['one without a subject, of a purpose with subjects'] = (
        await confirmer.makeConfirmation({ purpose: 'login' })
      ).id;
      const erased = await door.http!.request({ purpose: 'login' }, { 'x-user': 'erased' });
      ids['erased'] = erased.id;
      await confirmer.erase({ subject: 'erased' });
      clock.advance(30);

      for (const user of ['eve', undefined]) {
        for (const each of [code, WRONG_CODE]) {
          const seen = new Map<string, unknown>();
          for (const [whose, id] of Object.entries(ids)) {
            let answer: Answer | undefined;
            const statements = await log.during(async () => {
              answer = await post(`/2factor/${route}`, { id, code: each }, user);
            });
            expect(answer).toBeProblem(404, 'not-found');
            seen.set(whose, {
              answer: comparable(answer!),
              length: answer!.text.length,
              statements: statements.map(({ sql }) => sql),
            });
          }
          for (const [, each_] of seen) expect(each_).toStrictEqual(seen.get('unknown'));
        }
      }
      // And nothing was touched by all that.
      const rows: unknown[] = await dataSource.query(
        'SELECT id FROM two_factor_confirmation WHERE attempts > 0 OR sends > 1',
      );
      expect(rows).toStrictEqual([]);
    },
  );
});

describe('Binding, through the services:', () => {
  it.each([
    ['limits', FAILURES_ONLY],
    ['no limits', false as const],
  ])(
    'I10 answers unknown, foreign and purged ids alike with %s, by as many statements',
    async (_, limits) => {
      const door = await services.open({ options: { limits } });
      const { confirmer, clock, log } = door.test;
      const purged = await door.made();
      clock.advance(700);
      await confirmer.purge({ olderThan: new Date(clock.now()) });
      const foreign = await confirmer.makeConfirmation({
        purpose: 'login',
        subject: 'ann',
        isConfirmed: true,
      });
      const binding = { purpose: 'login', subject: 'eve' };
      const key = 'a-key-of-16-chars';
      const ask = async (calls: (() => Promise<unknown>)[]): Promise<unknown[]> => {
        const seen: unknown[] = [];
        for (const call of calls) {
          let outcome: unknown;
          const statements = await log.during(async () => {
            outcome = await call().catch((error: Error) => [error.name, error.message]);
          });
          seen.push([outcome, statements.map(({ sql }) => sql)]);
        }
        return seen;
      };
      // An id alone names no subject: the binding of the call names it.
      const bound = (id: string) => [
        () => confirmer.check(id, binding),
        () => confirmer.use(id, binding),
        () => confirmer.use(id, { ...binding, idempotencyKey: key }),
        () => confirmer.use(id),
      ];
      const unbound = (id: string) => [
        ...bound(id),
        () => confirmer.check(id),
        () => confirmer.confirm(id, WRONG_CODE),
        () => door.test.twoFactor.resend(id),
        () => confirmer.cancel(id),
      ];

      expect(await ask(bound(foreign.id))).toStrictEqual(await ask(bound(UNKNOWN_ID)));
      expect(await ask(unbound(purged.id))).toStrictEqual(await ask(unbound(UNKNOWN_ID)));
      expect(await confirmer.use(foreign, { ...binding, subject: 'ann' })).toBe(true);
      await door.close();
    },
  );
});
