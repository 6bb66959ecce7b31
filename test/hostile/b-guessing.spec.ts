// Threat: guessing codes, and having messages sent (security.md, section 2 B). The limits are on, as they are by default.
import { afterEach, describe, expect, it } from 'vitest';

import {
  LimitRecord,
  LimitService,
  TwoFactorEvents,
  type Delivery,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { doors, FAILURES_ONLY, type Entrance } from '../support/doors.js';

const ANN = 'ann@example.com';
const LIMITED = 'too-many-requests';

describe.each(doors)('Guessing and budgets, through $name:', ({ open }) => {
  let door: Entrance;
  afterEach(() => door.close());

  const limitsOf = () => door.test.app.get(LimitService, { strict: false });

  function eventsOf(): TwoFactorEvent[] {
    const told: TwoFactorEvent[] = [];
    door.test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => told.push(event));
    return told;
  }

  /** How many of these guesses were compared, by what the rows say. */
  async function compared(ids: readonly string[]): Promise<number> {
    let sum = 0;
    for (const id of ids) sum += (await door.row(id)).attempts;
    return sum;
  }

  it('16 compares five wrong codes, and then refuses the right one', async () => {
    door = await open({ options: { limits: {} } });
    const { id, code } = await door.made();

    for (const left of [4, 3, 2, 1, 0])
      expect(await door.confirm(id, WRONG_CODE)).toBe(`code-mismatch, ${left} left`);
    await door.unchanged(async () => {
      expect(await door.confirm(id, code)).toBe('attempts-exhausted');
      expect(await door.confirm(id, WRONG_CODE)).toBe('attempts-exhausted');
      expect(await door.check(id)).toBe('locked');
    });
    expect(await limitsOf().failures({ token: ANN })).toMatchObject({ count: 5 });
  });

  it('17 revives no exhausted confirmation by a resend: a new one is needed', async () => {
    door = await open({ options: { limits: {} } });
    const { id, code } = await door.made();
    for (let at = 0; at < 5; at += 1) await door.confirm(id, WRONG_CODE);
    door.test.clock.advance(30);
    const sent = door.test.inbox.deliveries.length;

    await door.unchanged(async () => {
      expect(await door.resend(id)).toBe('attempts-exhausted');
      expect(await door.confirm(id, code)).toBe('attempts-exhausted');
    });
    expect(door.test.inbox.deliveries).toHaveLength(sent);
    const fresh = await door.made();
    expect(await door.confirm(fresh.id, fresh.code)).toBe('done');
  });

  it('18 compares ten of 100 wrong codes on 20 confirmations of one recipient, and then refuses everything', async () => {
    door = await open({ options: { limits: FAILURES_ONLY } });
    const told = eventsOf();
    const all = [];
    for (let at = 0; at < 20; at += 1) all.push(await door.made());
    const last = all.at(-1)!;
    const ids = all.map(({ id }) => id);

    const outcomes = [];
    for (const id of ids)
      for (let at = 0; at < 5; at += 1) outcomes.push(await door.confirm(id, WRONG_CODE));

    expect(await compared(ids)).toBe(10);
    expect(outcomes.filter((each) => each.startsWith('code-mismatch'))).toHaveLength(10);
    expect(new Set(outcomes.slice(10))).toStrictEqual(new Set([`${LIMITED}, in 300 s`]));
    const sent = door.test.inbox.deliveries.length;
    await door.unchanged(async () => {
      expect(await door.confirm(last.id, last.code)).toBe(`${LIMITED}, in 300 s`);
      expect(await door.resend(last.id)).toMatch(/^too-many-requests, in \d+ s$/);
      expect(await door.request({ token: ANN })).toBe(`${LIMITED}, in 300 s`);
      expect(await door.request({ token: 'ANN@Example.COM.' })).toBe(`${LIMITED}, in 300 s`);
      await expect(door.test.confirmer.makeConfirmation({ token: ANN })).rejects.toThrow(
        /300 seconds/,
      );
    });
    expect(door.test.inbox.deliveries).toHaveLength(sent);
    expect(told.filter(({ type }) => type === 'locked')).toMatchObject([
      { scope: 'confirmation' },
      { scope: 'confirmation' },
      { scope: 'token' },
    ]);
    // It concerns no other token, and not the same token where the application names it for a subject.
    const login = { token: ANN, subject: 'ann' };
    const { state } = await door.test.twoFactor.request(login);
    expect((await door.test.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    const bobs = await door.made({ token: 'bob@example.com' });
    expect(await door.confirm(bobs.id, bobs.code)).toBe('done');
  });

  it('19 lifts the lock after its time, doubles it with each further failure, and stops for good in the end', async () => {
    const failures = { lockAfter: 3, lockSeconds: 30, maxLockSeconds: 700, permanentLockAfter: 10 };
    door = await open({ options: { limits: { ...FAILURES_ONLY, failures }, maxAttempts: 10 } });
    const { clock, confirmer } = door.test;
    let { id, code } = await door.made();
    const waits: (number | null)[] = [];
    const told: string[] = [];

    for (let failure = 1; failure <= 10; failure += 1) {
      if ((await door.check(id)) !== 'pending') ({ id, code } = await door.made());
      expect(await door.confirm(id, WRONG_CODE)).toMatch(/^code-mismatch/);
      if (failure < 3) continue;
      told.push(await door.confirm(id, code));
      const { lockedUntil } = await limitsOf().failures({ token: ANN });
      const seconds = lockedUntil && (lockedUntil.getTime() - clock.now()) / 1_000;
      waits.push(seconds);
      if (seconds === null) continue;
      // Not a moment earlier.
      clock.advance(seconds - 0.001);
      expect(await door.request({ token: ANN })).toBe(`${LIMITED}, in 300 s`);
      clock.advance(0.001);
    }

    expect(waits).toStrictEqual([30, 60, 120, 240, 480, 700, 700, null]);
    // Strangers share this counter, so that the wait is rounded up to steps of five minutes.
    expect(told).toStrictEqual([
      ...[300, 300, 300, 300, 600, 900, 900].map((seconds) => `${LIMITED}, in ${seconds} s`),
      LIMITED,
    ]);
    clock.advance(86_400 * 30);
    await confirmer.purge();
    expect(await door.request({ token: ANN })).toBe(LIMITED);
    // The method is stopped, not the account: by hand, by another token, and by a subject's own purpose, it goes on.
    const other = await door.made({ token: 'ann@other.example' });
    expect(await door.confirm(other.id, other.code)).toBe('done');
    const byHand = await confirmer.makeConfirmation();
    expect(await byHand.confirm()).toBe(true);
    const { state } = await door.test.twoFactor.request({ token: ANN, subject: 'ann' });
    expect((await confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    expect(await door.request({ token: ANN })).toBe(LIMITED);

    await limitsOf().reset({ token: ANN });
    const fresh = await door.made();
    expect(await door.confirm(fresh.id, fresh.code)).toBe('done');
  });

  it('19 forgets the failures with a success, and with nothing else', async () => {
    door = await open({ options: { limits: FAILURES_ONLY } });
    const fail = async (times: number): Promise<void> => {
      for (let at = 0; at < times; at += 1) {
        const { id } = await door.made();
        expect(await door.confirm(id, WRONG_CODE)).toBe('code-mismatch, 4 left');
      }
    };
    await fail(9);
    const cancelled = await door.made();
    await door.test.confirmer.cancel(cancelled.id);
    const byHand = await door.made();
    await (await door.test.confirmer.check(byHand.id))[0]!.confirm();
    door.test.clock.advance(86_400);
    await door.test.confirmer.purge();
    expect(await limitsOf().failures({ token: ANN })).toMatchObject({ count: 9 });

    const { id, code } = await door.made();
    expect(await door.confirm(id, code)).toBe('done');
    expect(await limitsOf().failures({ token: ANN })).toMatchObject({ count: 0 });
    await fail(9);
    await fail(1);
    expect(await door.request({ token: ANN })).toBe(`${LIMITED}, in 300 s`);
  });

  it('20 counts the failures of a token by whatever way the code went, and each token of a subject by itself', async () => {
    const senders = Object.fromEntries(
      ['default', 'sms', 'voice'].map((name) => [
        name,
        { backend: () => (delivery: Delivery) => door.test.inbox.send(delivery) },
      ]),
    );
    door = await open({ options: { limits: FAILURES_ONLY, senders } });
    const { confirmer, inbox, sender, twoFactor } = door.test;
    const phone = { token: '+14155550123', subject: 'ann' };
    const { id } = await twoFactor.request({ ...phone, way: 'sms' });
    for (const [at, way] of ['sms', 'voice', 'default'].entries()) {
      await sender.send(way, '+14155550123', id);
      expect(await door.confirm(id, WRONG_CODE)).toBe(`code-mismatch, ${4 - at} left`);
    }
    expect(await limitsOf().failures(phone)).toMatchObject({ count: 3 });

    // Other tokens of the same person are authenticators of their own (NIST SP 800-63B-4 3.2.2).
    for (let at = 0; at < 9; at += 1) {
      const mailbox = { token: 'ann@example.com', subject: 'ann' };
      const { id: other } = await twoFactor.request({ ...mailbox, way: 'default' });
      expect(await door.confirm(other, WRONG_CODE)).toBe('code-mismatch, 4 left');
    }
    expect(await limitsOf().failures(phone)).toMatchObject({ count: 3 });

    // The same token by another way, and under another spelling.
    for (let at = 0; at < 7; at += 1) {
      const input = { token: '001 (415) 555-0123', subject: 'ann', way: 'voice' };
      const { id: other } = await twoFactor.request(input);
      expect(await door.confirm(other, WRONG_CODE)).toBe('code-mismatch, 4 left');
    }
    expect(await door.confirm(id, inbox.deliveries[0]!.code)).toBe(`${LIMITED}, in 30 s`);
    await expect(confirmer.makeConfirmation(phone)).rejects.toThrow(/30 seconds/);
    // The mailbox has one guess left before it is locked too, and its right code ends its own count alone.
    const { id: last, state } = await twoFactor.request({
      token: 'ann@example.com',
      subject: 'ann',
    });
    expect(await door.confirm(last, state.code!)).toBe('done');
    expect(await limitsOf().failures(phone)).toMatchObject({ count: 10 });
  });

  it('21 reports once one guess that is tried on many confirmations, and locks no token for it', async () => {
    door = await open({ options: { limits: FAILURES_ONLY } });
    const told = eventsOf();
    const suspected = () => told.filter(({ type }) => type === 'spraying-suspected');
    const guess = async (code: string, victim: number): Promise<void> => {
      const { id } = await door.made({ token: `victim${victim}@example.com` });
      expect(await door.confirm(id, code)).toBe('code-mismatch, 4 left');
    };

    for (let victim = 0; victim < 19; victim += 1) await guess('123 456', victim);
    expect(suspected()).toStrictEqual([]);
    for (let victim = 19; victim < 60; victim += 1) await guess('123-456', victim);
    expect(suspected()).toMatchObject([{ confirmations: 20 }]);
    expect(JSON.stringify(suspected())).not.toContain('123456');
    door.test.clock.advance(600);
    for (let victim = 0; victim < 25; victim += 1) await guess('123456', victim);
    expect(suspected()).toHaveLength(2);

    for (let victim = 0; victim < 60; victim += 1) {
      const { lockedUntil } = await limitsOf().failures({ token: `victim${victim}@example.com` });
      expect(lockedUntil).toBeNull();
    }
  });

  it('22 refuses a resend before its time, in whole seconds that no clock makes negative', async () => {
    door = await open({ options: { limits: {} } });
    const { clock, inbox } = door.test;
    const { id } = await door.made();
    const sent = inbox.deliveries.length;

    await door.unchanged(async () => {
      expect(await door.resend(id)).toBe(`${LIMITED}, in 30 s`);
      clock.advance(0.001);
      expect(await door.resend(id)).toBe(`${LIMITED}, in 30 s`);
      clock.advance(28.999);
      expect(await door.resend(id)).toBe(`${LIMITED}, in 1 s`);
      clock.advance(0.999);
      expect(await door.resend(id)).toBe(`${LIMITED}, in 1 s`);
      // Set back by a day: not a day longer.
      clock.advance(-86_400);
      expect(await door.resend(id)).toBe(`${LIMITED}, in 30 s`);
      clock.advance(86_400);
    });
    expect(inbox.deliveries).toHaveLength(sent);
    clock.advance(0.001);
    expect(await door.resend(id)).toBe('done');
    expect(await door.resend(id)).toBe(`${LIMITED}, in 60 s`);
  });

  it('23 refuses a sixth message of one confirmation for good', async () => {
    door = await open({ options: { limits: FAILURES_ONLY } });
    const { id } = await door.made();
    for (const seconds of [30, 60, 120, 300]) {
      door.test.clock.advance(seconds);
      expect(await door.resend(id)).toBe('done');
    }
    expect(door.test.inbox.deliveries).toHaveLength(5);
    await door.unchanged(async () => expect(await door.resend(id)).toBe(LIMITED));
    expect(door.test.inbox.deliveries).toHaveLength(5);
  });

  it('23 refuses a sixth message within ten minutes to one recipient, over whatever confirmations', async () => {
    door = await open({ options: { limits: {} } });
    const { clock, inbox } = door.test;
    const again = await door.made();
    clock.advance(30);
    expect(await door.resend(again.id)).toBe('done');
    for (let at = 0; at < 3; at += 1) {
      const { id, code } = await door.made();
      // A right code gives no message back.
      expect(await door.confirm(id, code)).toBe('done');
    }
    expect(inbox.deliveries).toHaveLength(5);

    await door.unchanged(async () => {
      // 570 and 510 seconds, told to strangers in steps of five minutes.
      expect(await door.request({ token: ANN })).toBe(`${LIMITED}, in 600 s`);
      clock.advance(60);
      expect(await door.resend(again.id)).toBe(`${LIMITED}, in 600 s`);
    });
    expect(inbox.deliveries).toHaveLength(5);
    expect(await door.request({ token: 'bob@example.com' })).toBe('done');
    const { state } = await door.test.twoFactor.request({ token: ANN, subject: 'ann' });
    expect(state.status).toBe('pending');
    clock.advance(509.999);
    expect(await door.request({ token: ANN })).toBe(`${LIMITED}, in 300 s`);
    clock.advance(0.001);
    expect(await door.request({ token: ANN })).toBe('done');
  });

  it('24 counts all spellings of one number with its country as one', async () => {
    const once = [{ max: 1, perSeconds: 3_600 }];
    door = await open({ options: { limits: { pending: false, sendsPerToken: once } } });
    expect(await door.request({ token: '+14155550123' })).toBe('done');
    const spellings = [
      '+1 (415) 555-0123',
      '+1-415-555-0123',
      '+1.415.555.0123',
      '+1 415 555 0123',
      '0014155550123',
      '001 (415) 555-0123',
      '+1415555\uff10123',
      '\uff0b14155550123',
      '+14155550123 ext. 5',
      '+14155550123;ext=5',
      '+14155550123x5',
      '+1/415/555-0123',
      '+1\u00a0415\u00a05550123',
    ];

    await door.unchanged(async () => {
      for (const token of spellings)
        expect([token, await door.request({ token })]).toStrictEqual([
          token,
          `${LIMITED}, in 3600 s`,
        ]);
    });
    expect(await door.request({ token: '+14155550124' })).toBe('done');
    expect(door.test.inbox.deliveries).toHaveLength(2);
  });

  it('25 counts all spellings of one mailbox as one, whatever the form of its domain and the case of its name', async () => {
    const once = [{ max: 1, perSeconds: 3_600 }];
    door = await open({ options: { limits: { pending: false, sendsPerToken: once } } });
    expect(await door.request({ token: 'Ann@b\u00fccher.example' })).toBe('done');
    const spellings = [
      'Ann@xn--bcher-kva.example',
      'Ann@XN--BCHER-KVA.example',
      'Ann@B\u00dcCHER.Example',
      'Ann@bu\u0308cher.example',
      'Ann@b\u00fccher.example.',
      'Ann@b\uff55\u0308cher.example',
      'Ann@b\u00fccher\u3002example',
      // Few mailboxes differ by case alone; sharing is the safe side (docs/guides/limits.md).
      'ANN@b\u00fccher.example',
      'ann@xn--bcher-kva.example.',
    ];

    await door.unchanged(async () => {
      for (const token of spellings)
        expect([token, await door.request({ token })]).toStrictEqual([
          token,
          `${LIMITED}, in 3600 s`,
        ]);
    });
    for (const token of [
      'Ann+tag@b\u00fccher.example',
      'A.nn@b\u00fccher.example',
      'Ann@bucher.example',
    ])
      expect(await door.request({ token })).toBe('done');
    // The message goes to what was written, not to what it is counted as.
    expect(door.test.inbox.deliveries[0]).toMatchObject({ token: 'Ann@b\u00fccher.example' });
    const keys = (await door.test.dataSource.getRepository(LimitRecord).find()).map(({ id }) => id);
    expect(keys.filter((key) => !/^[0-9a-f]{32}$/.test(key))).toStrictEqual([]);
  });
});
