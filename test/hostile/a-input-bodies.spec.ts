// Threat: bodies and whole lists that a client may send, over HTTP and at the services (security.md, section 2 A).
import { ValidationPipe } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  TwoFactorInputError,
  TwoFactorRecipientError,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { installAttemptTrigger, loggedAttempts } from '../support/attempt-trigger.js';
import { documentedOutcome, REFUSALS } from '../support/documented-answers.js';
import { FAILURES_ONLY, httpDoors, type Entrance } from '../support/doors.js';
import { engines } from '../support/engines.js';
import { startApp } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

const MALFORMED = 'invalid-request';

describe.each(httpDoors)('Input shape, over HTTP on $name:', ({ open }) => {
  let door: Entrance;
  afterEach(() => door.close());

  it('3 refuses a list of all codes, and evaluates none', async () => {
    // Six digits here, so that the right code is in the list.
    door = await open({ options: { codeGenerator: () => '042317' } });
    await installAttemptTrigger(door.test.dataSource);
    const { id, code } = await door.made();
    const all = Array.from({ length: 1_000_000 }, (_, at) => String(at).padStart(6, '0'));
    // As many as fit into a body, the right one among them.
    const some = all.slice(40_000, 50_000);
    expect(some).toContain(code);

    await door.unchanged(async () => {
      expect(await door.confirm(id, some)).toBe(MALFORMED);
      expect(await door.confirm(id, some.join(','))).toBe(MALFORMED);
      expect(await door.confirm(id, Object.fromEntries(some.entries()))).toMatch(
        /^(413|invalid-request)$/,
      );
      expect(await door.confirm(id, all)).toBe('413');
    });
    expect(await loggedAttempts(door.test.dataSource, id)).toBe(0);
    expect(await door.confirm(id, code)).toBe('done');
  });

  it('6 refuses a body of 10 MB with 413, whatever member is so long', async () => {
    door = await open({ options: { limits: FAILURES_ONLY } });
    const { id, code } = await door.made();
    const long = 'B'.repeat(10_000_000);

    const statements = await door.unchanged(async () => {
      expect(await door.confirm(id, long)).toBe('413');
      expect(await door.confirm(long, code)).toBe('413');
      expect(await door.check(long)).toBe('413');
      expect(await door.request({ token: long })).toBe('413');
      // Below the limit of the body it is our own refusal.
      expect(await door.confirm(id, long.slice(0, 50_000))).toBe(MALFORMED);
    });
    expect(statements).toStrictEqual([]);
    expect(await door.confirm(id, code)).toBe('done');
  });

  it('13 answers every route, and every refusal, with exactly the documented members', async () => {
    const { seen, see } = outcomes();
    // Every answer is seen once, many of them for one token: the limits have answers of their own in b-guessing.spec.ts.
    door = await open({
      options: {
        limits: FAILURES_ONLY,
        purposes: {
          '': { open: true },
          login: { subject: () => undefined, recipient: () => 'ann@example.com' },
          broken: { subject: () => 7 as never, recipient: () => 'ann@example.com' },
          unreachable: { subject: () => 'ann', recipient: () => undefined },
        },
      },
    });
    const { test, http } = door;
    const { clock, confirmer, inbox } = test;

    see(await door.request({ token: 'ann@example.com' }));
    see(await door.request({}));
    see(await door.request({ purpose: 'login' }));
    see(await door.request({ purpose: 'broken' }));
    see(await door.request({ purpose: 'unreachable' }));
    inbox.failNext(new TwoFactorRecipientError('no'));
    see(await door.request({ token: 'ann@example.com' }));
    inbox.failNext(new Error('down'));
    see(await door.request({ token: 'ann@example.com' }));
    see(await door.confirm(UNKNOWN_ID, WRONG_CODE));
    const form = await http!.call('/2factor/check', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'id=1',
    });
    see(documentedOutcome('check', form));

    const { id, code } = await door.made();
    see(await door.resend(id));
    see(await door.confirm(id, WRONG_CODE));
    expect(await door.confirm(id, code)).toBe('done');
    expect(await door.check(id)).toBe('confirmed');
    see(await door.confirm(id, code));
    await confirmer.use(id);
    see(await door.confirm(id, code));
    expect(await door.check(id)).toBe('used');

    const locked = await door.made();
    for (let at = 0; at < 5; at += 1) await door.confirm(locked.id, WRONG_CODE);
    see(await door.confirm(locked.id, WRONG_CODE));
    expect(await door.check(locked.id)).toBe('locked');
    const cancelled = await door.made();
    await confirmer.cancel(cancelled.id);
    see(await door.confirm(cancelled.id, cancelled.code));
    expect(await door.check(cancelled.id)).toBe('cancelled');

    const foreignKey = await door.made();
    await test.dataSource.query(
      `UPDATE two_factor_confirmation SET code_mac = 'v1.AAAAAAAA.x' WHERE id = '${foreignKey.id}'`,
    );
    see(await door.confirm(foreignKey.id, foreignKey.code));

    const resent = await door.made();
    expect(await door.check(resent.id)).toBe('pending');
    for (const seconds of [30, 60, 120, 300]) {
      clock.advance(seconds);
      expect(await door.resend(resent.id)).toBe('done');
    }
    // The one refusal of its kind that no waiting helps.
    expect(await door.resend(resent.id)).toBe('too-many-requests');
    clock.advance(600);
    see(await door.resend(resent.id));
    expect(await door.check(resent.id)).toBe('expired');

    const runner = test.dataSource.createQueryRunner();
    await runner.startTransaction();
    see(await door.check(resent.id));
    await runner.rollbackTransaction();
    await runner.release();

    await test.dataSource.query('PRAGMA query_only = ON');
    see(await door.request({ token: 'ann@example.com' }));
    await test.dataSource.query('PRAGMA query_only = OFF');

    // A sender is removed by a restart, which is in test/e2e/faults-of-the-application.spec.ts.
    const others = Object.keys(REFUSALS).filter((slug) => slug !== 'sender-removed');
    expect([...seen].toSorted()).toStrictEqual(['done', ...others].toSorted());
  });

  it('15 refuses every content type but JSON and every method but POST, and charges nothing', async () => {
    door = await open({
      // A global pipe of the application must not let through what our own refuses.
      configure: (app) => app.useGlobalPipes(new ValidationPipe({ transform: true })),
    });
    const { http } = door;
    const { id, code } = await door.made();
    const json = JSON.stringify({ id, code });
    const form = new FormData();
    form.set('id', id);
    form.set('code', code);
    const bodies: readonly (readonly [
      type: string | null,
      body: string | FormData | Uint8Array<ArrayBuffer>,
    ])[] = [
      ['application/x-www-form-urlencoded', `id=${id}&code=${code}`],
      ['text/plain', json],
      ['text/plain; application/json', json],
      ['application/jsonp', json],
      ['application/xml', `<id>${id}</id>`],
      ['application/problem+json', json],
      ['', json],
      [null, form],
      [null, new TextEncoder().encode(json)],
    ];
    const statements = await door.unchanged(async () => {
      for (const [type, body] of bodies) {
        const headers = type === null ? {} : { 'content-type': type };
        const answer = await http!.call('/2factor/confirm', { method: 'POST', headers, body });
        expect(['415', 'unsupported-media-type']).toContain(documentedOutcome('confirm', answer));
      }
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE']) {
        for (const slash of ['', '/']) {
          const answer = await http!.call(`/2factor/confirm${slash}?id=${id}`, {
            method,
            headers: { 'x-http-method-override': 'POST', 'content-type': 'application/json' },
            ...(!['GET', 'HEAD'].includes(method) && { body: json }),
          });
          expect([404, 405]).toContain(answer.status);
        }
      }
      const overridden = await http!.call('/2factor/confirm?_method=POST', {
        headers: { 'x-http-method-override': 'POST', 'x-method-override': 'POST' },
      });
      expect(overridden.status).toBe(404);
    });
    expect(statements).toStrictEqual([]);
    expect(await door.confirm(id, code)).toBe('done');
  });
});

function outcomes(): { seen: Set<string>; see: (outcome: string) => void } {
  const seen = new Set<string>();
  return { seen, see: (outcome) => void seen.add(outcome.split(',')[0]!) };
}

describe('Input shape, through the services:', () => {
  it('3 refuses a list of all codes, and compares none', async () => {
    const test = await startApp({ options: { codeGenerator: () => '042317' } });
    await installAttemptTrigger(test.dataSource);
    const { id } = await test.confirmer.makeConfirmation();
    const all = Array.from({ length: 1_000_000 }, (_, at) => String(at).padStart(6, '0'));

    for (const list of [all, new Set(all), all.join(','), all.join('')]) {
      await expect(test.confirmer.confirm(id, list as never)).rejects.toBeInstanceOf(
        TwoFactorInputError,
      );
    }
    expect(await loggedAttempts(test.dataSource, id)).toBe(0);
    expect((await test.confirmer.confirm(id, '042317'))[1]).toBe(true);
    await test.close();
  });

  it('6 refuses a text of 10 MB in every place without running a pattern over it', async () => {
    const test = await startApp();
    const { confirmer, sender, twoFactor } = test;
    const state = await confirmer.makeConfirmation();
    const long = 'B'.repeat(10_000_000);
    const calls: (() => Promise<unknown>)[] = [
      () => confirmer.confirm(state.id, long),
      () => confirmer.confirm(long, WRONG_CODE),
      () => confirmer.check(long),
      () => confirmer.use(long),
      () => confirmer.cancel(long),
      () => confirmer.use(state, { purpose: long }),
      () => confirmer.use(state, { subject: long }),
      () => confirmer.use(state, { details: long }),
      () => confirmer.use(state, { idempotencyKey: long }),
      () => confirmer.erase({ subject: long }),
      () => confirmer.makeConfirmation({ token: long }),
      () => confirmer.makeConfirmation({ way: long }),
      () => confirmer.makeConfirmation({ meta: long }),
      () => sender.send(null, long, state),
      () => sender.send(long, 'ann@example.com', state),
      () => sender.send(null, 'ann@example.com', state, { note: long }),
      () => twoFactor.request({ token: long }),
      () => twoFactor.resend(long),
    ];

    const longest = await longestMatched(async () => {
      for (const call of calls) await expect(call()).rejects.toBeInstanceOf(TwoFactorInputError);
    });

    expect(longest).toBeLessThan(10_000);
    await test.close();
  });

  it('14 refuses meta and details that JSON cannot represent, and runs none of their code', async () => {
    const test = await startApp();
    let ran = 0;
    const runs = (): string => {
      ran += 1;
      return 'x';
    };
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    const impossible: unknown[] = [
      10n,
      new Date(),
      cyclic,
      Symbol('x'),
      () => 1,
      Number.NaN,
      Infinity,
      new Map([['a', 1]]),
      { toJSON: runs },
      Object.defineProperty({}, 'amount', { enumerable: true, get: runs }),
      Object.create({ inherited: 1 }),
      { nested: [{ deeper: new (class Amount {})() }] },
      [undefined],
      'x'.repeat(1_000_000),
      Array.from({ length: 1_000_000 }, () => 0),
      JSON.parse('{"__proto__":{"polluted":true}}'),
      JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`),
    ];

    for (const value of impossible) {
      for (const member of ['meta', 'details', 'context']) {
        await expect(test.confirmer.makeConfirmation({ [member]: value })).rejects.toBeInstanceOf(
          TwoFactorInputError,
        );
      }
    }
    expect(ran).toBe(0);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(await test.dataSource.getRepository(ConfirmationRecord).count()).toBe(0);
    await test.close();
  });
});

describe.each(engines)('Input shape, through the services on %s:', (engine) => {
  it('11 finds no row by an id that is 0, true, an array or an object', async () => {
    const test = await startApp({ engine });
    const { confirmer } = test;
    // MariaDB takes 0 for every text that begins with no digit.
    const states = await Promise.all(
      Array.from({ length: 3 }, () => confirmer.makeConfirmation({ isConfirmed: true })),
    );
    const impossible = [
      0,
      false,
      true,
      '',
      null,
      undefined,
      [],
      [states[0]!.id],
      { id: states[0]!.id },
    ];

    const statements = await test.log.during(async () => {
      for (const id of impossible) {
        const impostor = id as never;
        for (const call of [
          () => confirmer.check(impostor),
          () => confirmer.use(impostor),
          () => confirmer.cancel(impostor),
        ]) {
          await expect(call()).rejects.toBeInstanceOf(TwoFactorInputError);
        }
      }
    });

    expect(statements).toStrictEqual([]);
    for (const state of states) expect(await confirmer.use(state)).toBe(true);
    await test.close();
  });
});

/** The longest text that any regular expression was run over meanwhile. */
async function longestMatched(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  // oxlint-disable-next-line typescript/unbound-method
  const { exec } = RegExp.prototype;
  // A replaced `exec` is what test, replace, match and split call too (ECMA-262, RegExpExec).
  const watch = (value: typeof exec): boolean =>
    Reflect.defineProperty(RegExp.prototype, 'exec', { value, configurable: true, writable: true });
  watch(function (this: RegExp, text: string) {
    longest = Math.max(longest, text.length);
    return exec.call(this, text);
  });
  try {
    await work();
  } finally {
    watch(exec);
  }
  return longest;
}
