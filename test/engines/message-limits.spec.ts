// Messages: to a token, of a requester and its networks, and in all.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  LimitRecord,
  LimitService,
  type ConfirmationState,
  type LimitsOptions,
  type TwoFactorRequestInput,
} from '../../lib/index.js';
import { engines } from '../support/engines.js';
import { refusal } from '../support/refusal.js';
import { startApp, type TestApp } from '../support/test-app.js';

const DAY_SECONDS = 86_400;

describe.each(engines)('Messages on %s', (engine) => {
  let test: TestApp;
  let limits: LimitService;
  let next = 0;

  /** A name that no other test uses. */
  const newName = (): string => `user${(next += 1)}@example.com`;
  /** Each call is a stranger from another network, who asks for a message to a new token. */
  const stranger = (): string => `stranger-${(next += 1)}`;
  const ask = async (input: Partial<TwoFactorRequestInput>, app = test): Promise<unknown> =>
    refusal(app.twoFactor.request({ token: newName(), ...input }));
  /** Sends this many messages, each to another token, and takes the requesters in turn. */
  const sends = async (
    times: number,
    requesters: readonly (string | undefined)[],
    input: Partial<TwoFactorRequestInput> = {},
    app = test,
  ): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      const requester = requesters[time % requesters.length];
      expect(await ask({ ...input, requester }, app)).toBe('accepted');
    }
  };
  const withLimits = async (options: LimitsOptions): Promise<TestApp> =>
    startApp({ engine, database: test.database, options: { limits: options, clock: test.clock } });

  beforeAll(async () => {
    test = await startApp({ engine, options: { limits: {} } });
    limits = test.app.get(LimitService, { strict: false });
  });
  afterAll(() => test.close());

  it('to a token that clients name are five in ten minutes and ten a day, over all its spellings', async () => {
    const name = newName().split('@')[0]!;
    const spellings = [
      `${name}@xn--bcher-kva.example`,
      `${name}@bücher.example`,
      `${name}@BÜCHER.example`,
      `${name.toUpperCase()}@bücher.example.`,
    ];
    const sent = test.inbox.deliveries.length;
    const send = async (index: number): Promise<unknown> => {
      const state = await test.confirmer.makeConfirmation();
      const token = spellings[index % spellings.length]!;
      const requester = stranger();
      return refusal(test.sender.send(null, token, state, undefined, { requester }));
    };

    for (let index = 0; index < 5; index += 1) expect(await send(index)).toBe('accepted');
    // A stranger must not learn when another one asked, so that the wait is rounded up to steps of five minutes.
    for (const [seconds, told] of [
      [0, 600],
      [1, 600],
      [299, 300],
      [299, 300],
    ] as const) {
      test.clock.advance(seconds);
      expect(await send(1)).toEqual([429, 'sends-per-token', told]);
    }
    test.clock.advance(1);
    for (let index = 0; index < 5; index += 1) expect(await send(index)).toBe('accepted');
    expect(await send(2)).toEqual([429, 'sends-per-token', DAY_SECONDS - 600]);
    test.clock.advance(600);
    expect(await send(2)).toEqual([429, 'sends-per-token', DAY_SECONDS - 1_200]);
    expect(test.inbox.deliveries.length - sent).toBe(10);
    test.clock.advance(DAY_SECONDS - 1_200);
    expect(await send(3)).toBe('accepted');
  });

  it("to a subject's own token are five in ten minutes and twenty a day, with the exact wait", async () => {
    const login = { token: newName(), subject: newName() };
    for (let window = 0; window < 4; window += 1) {
      for (let time = 0; time < 5; time += 1) expect(await ask(login)).toBe('accepted');
      test.clock.advance(1);
      if (window < 3) expect(await ask(login)).toEqual([429, 'sends-per-token', 599]);
      test.clock.advance(599);
    }

    expect(await ask(login)).toEqual([429, 'sends-per-token', DAY_SECONDS - 2_400]);
    // Another token of the subject, and the same token of another subject.
    expect(await ask({ ...login, token: newName() })).toBe('accepted');
    expect(await ask({ ...login, subject: newName() })).toBe('accepted');
  });

  it("use up nothing of a subject's when strangers ask for them, and the reverse", async () => {
    const [token, subject] = [newName(), newName()];
    const strangers = [{ token }, { token, subject: newName(), tokenFrom: 'client' as const }];
    for (let time = 0; time < 5; time += 1) {
      expect(await ask({ ...strangers[time % 2], requester: stranger() })).toBe('accepted');
    }
    for (const input of strangers) {
      expect(await ask({ ...input, requester: stranger() })).toEqual([429, 'sends-per-token', 600]);
    }

    for (let time = 0; time < 5; time += 1) expect(await ask({ token, subject })).toBe('accepted');
    expect(await ask({ token, subject })).toEqual([429, 'sends-per-token', 600]);
    test.clock.advance(600);
    for (let time = 0; time < 5; time += 1) expect(await ask({ token, subject })).toBe('accepted');
    expect(await ask({ token, requester: stranger() })).toBe('accepted');
  });

  it.each([
    ['a token that clients name', {}, 300],
    ["a subject's own token", { subject: 'ann' }, 90],
  ] as const)(
    'count a resend to %s, and nothing that was refused for another reason',
    async (_, owner, wait) => {
      const input = { token: newName(), ...owner };
      const { id } = await test.twoFactor.request({ ...input, requester: stranger() });

      expect(await refusal(test.twoFactor.resend(id))).toEqual([429, 'cooldown', 30]);
      for (const pause of [30, 60, 120, 300]) {
        test.clock.advance(pause);
        await test.twoFactor.resend(id, { requester: stranger() });
      }
      expect(await ask({ ...input, requester: stranger() })).toEqual([
        429,
        'sends-per-token',
        wait,
      ]);
      test.clock.advance(90);
      expect(await ask({ ...input, requester: stranger() })).toBe('accepted');
    },
  );

  it('of one requester are ten an hour, by the network when that is an IPv6 address', async () => {
    await sends(10, ['2001:db8:1:2::1', '2001:0DB8:1:2:ffff::9']);
    expect(await ask({ requester: '2001:db8:1:2:3:4:5:6' })).toEqual([
      429,
      'sends-per-requester',
      3_600,
    ]);
    expect(await ask({ requester: '2001:db8:1:3::1' })).toBe('accepted');

    await sends(10, ['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201']);
    expect(await ask({ requester: '::FFFF:192.0.2.1' })).toEqual([
      429,
      'sends-per-requester',
      3_600,
    ]);
    expect(await ask({ requester: '192.0.2.2' })).toBe('accepted');

    await sends(10, ['session-4711']);
    expect(await ask({ requester: 'session-4711' })).toEqual([429, 'sends-per-requester', 3_600]);
    expect(await ask({ requester: 'session-4712' })).toBe('accepted');
    // A resend is a message too.
    const { id } = await test.twoFactor.request({ token: newName(), requester: stranger() });
    test.clock.advance(30);
    expect(await refusal(test.twoFactor.resend(id, { requester: 'session-4711' }))).toEqual([
      429,
      'sends-per-requester',
      3_600,
    ]);
  });

  it('of one IPv4 /24 are 60 an hour, and its neighbour and every subject go on', async () => {
    const addresses = Array.from({ length: 60 }, (_, index) => `198.51.100.${index}`);
    await sends(60, addresses);

    const spent = [429, 'sends-per-network', 3_600];
    expect(await ask({ requester: '198.51.100.255' })).toEqual(spent);
    expect(await ask({ requester: '::ffff:198.51.100.77' })).toEqual(spent);
    expect(await ask({ requester: '198.51.101.0' })).toBe('accepted');
    expect(await ask({ requester: '198.51.100.255', subject: newName() })).toBe('accepted');
    test.clock.advance(3_600);
    expect(await ask({ requester: '198.51.100.255' })).toBe('accepted');
  });

  it('of one IPv6 /56 are 30 an hour and of one /48 are 60, and its neighbour and every subject go on', async () => {
    const from = (network: string): string[] =>
      Array.from({ length: 30 }, (_, index) => `2001:db8:9:${network}${index + 10}::1`);
    await sends(30, from('a1'));
    expect(await ask({ requester: '2001:db8:9:a1ff::1' })).toEqual([
      429,
      'sends-per-network',
      3_600,
    ]);
    await sends(30, from('a2'));

    const spent = [429, 'sends-per-network', 3_600];
    expect(await ask({ requester: '2001:db8:9:b100::1' })).toEqual(spent);
    expect(await ask({ requester: '2001:db8:a:b100::1' })).toBe('accepted');
    expect(await ask({ requester: '2001:db8:9:b100::1', subject: newName() })).toBe('accepted');
  });

  it('of all unknown requesters together are 60 an hour, and known ones and every subject go on', async () => {
    const app = await withLimits({});
    test.clock.advance(3_600);
    await sends(60, [undefined], {}, app);

    expect(await ask({}, app)).toEqual([429, 'sends-per-network', 3_600]);
    expect(await ask({ requester: '203.0.113.1' }, app)).toBe('accepted');
    expect(await ask({ requester: 'unknown' }, app)).toBe('accepted');
    expect(await ask({ subject: newName() }, app)).toBe('accepted');
    const named = { subject: newName(), tokenFrom: 'client' } as const;
    expect(await ask(named, app)).toBe('accepted');
    await app.app.close();
  });

  it('to tokens that a subject names are ten an hour, wherever the subject asks from', async () => {
    const subject = newName();
    const named = { subject, tokenFrom: 'client' } as const;
    const addresses = Array.from({ length: 10 }, (_, index) => `2001:db8:f${index}::1`);
    await sends(10, [...addresses, undefined], named);

    expect(await ask({ ...named, requester: '192.0.2.200' })).toEqual([
      429,
      'sends-per-requester',
      3_600,
    ]);
    expect(await ask({ ...named, subject: newName() })).toBe('accepted');
    expect(await ask({ subject })).toBe('accepted');
  });

  it('in all are counted for strangers and for subjects apart', async () => {
    const app = await withLimits({
      sendsInTotal: { open: [{ max: 3, perSeconds: 60 }], bound: [{ max: 2, perSeconds: 60 }] },
    });
    const spent = [503, 'sends-in-total', 60];
    await sends(2, ['203.0.113.9'], {}, app);
    await sends(1, ['203.0.113.9'], { subject: newName(), tokenFrom: 'client' }, app);
    expect(await ask({ requester: '203.0.113.10' }, app)).toEqual(spent);

    await sends(2, [undefined], { subject: newName() }, app);
    expect(await ask({ subject: newName() }, app)).toEqual(spent);
    test.clock.advance(60);
    expect(await ask({ requester: '203.0.113.10' }, app)).toBe('accepted');
    expect(await ask({ subject: newName() }, app)).toBe('accepted');
    await app.app.close();
  });

  it('of one sender are counted for strangers and for subjects apart', async () => {
    const app = await withLimits({ sendsPerSender: [{ max: 1, perSeconds: 61 }] });
    await sends(1, ['203.0.113.20'], {}, app);
    expect(await ask({ requester: '203.0.113.21' }, app)).toEqual([503, 'sends-per-sender', 61]);
    await sends(1, ['203.0.113.20'], { subject: newName() }, app);
    expect(await ask({ subject: newName() }, app)).toEqual([503, 'sends-per-sender', 61]);
    await app.app.close();
  });

  it('cost nothing when the request is a repetition or is refused as malformed', async () => {
    const [subject, token] = [newName(), newName()];
    const input = { token, subject, purpose: 'login', idempotencyKey: `key-of-${subject}-0001` };
    for (let time = 0; time < 8; time += 1) await test.twoFactor.request(input);

    const failing = { ...input, key: undefined, details: 5n as never };
    await expect(test.twoFactor.request(failing)).rejects.toThrow('details');

    const rows = await test.dataSource.getRepository(LimitRecord).find();
    expect(test.inbox.deliveries.filter((delivery) => delivery.token === token)).toHaveLength(1);
    for (const again of [1, 2, 3, 4])
      await test.twoFactor.request({
        ...input,
        idempotencyKey: `${input.idempotencyKey}-${again}`,
      });
    expect(await ask({ token, subject, purpose: 'login' })).toEqual([429, 'sends-per-token', 600]);
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it('may be used up, and a repeated request still gets its answer', async () => {
    const login = { token: newName(), subject: newName(), purpose: 'login' };
    const keyed = { ...login, idempotencyKey: `key-of-${login.subject}-0001` };
    const { id } = await test.twoFactor.request(keyed);
    const made: ConfirmationState[] = [];
    for (let time = 0; time < 4; time += 1) made.push((await test.twoFactor.request(login)).state);
    expect(await ask(login)).toEqual([429, 'sends-per-token', 600]);
    expect((await test.twoFactor.request(keyed)).id).toBe(id);

    for (const state of made.slice(0, 2)) {
      for (let time = 0; time < 5; time += 1) await test.confirmer.confirm(state.id, 'WRONGWRONG');
    }
    expect(await refusal(test.confirmer.makeConfirmation(login))).toEqual([429, 'failures', 30]);
    expect((await test.confirmer.makeConfirmation(keyed)).id).toBe(id);
    expect((await test.twoFactor.request(keyed)).id).toBe(id);
  });

  it('cost one message when concurrent calls have the same idempotency key', async () => {
    const login = { token: newName(), subject: newName(), purpose: 'login' };
    const keyed = { ...login, idempotencyKey: `key-of-${login.subject}-0001` };
    const sent = test.inbox.deliveries.length;
    await Promise.all(Array.from({ length: 8 }, () => test.twoFactor.request(keyed)));
    expect(test.inbox.deliveries.length - sent).toBe(1);

    for (let time = 0; time < 4; time += 1) expect(await ask(login)).toBe('accepted');
    expect(await ask(login)).toEqual([429, 'sends-per-token', 600]);
  });

  it('to a token are reset in the class that the scope names', async () => {
    const [token, subject] = [newName(), newName()];
    const [open, bound] = [
      { token, requester: 'reset' },
      { token, subject },
    ];
    const spent = [429, 'sends-per-token', 600];
    for (const input of [open, bound]) {
      for (let time = 0; time < 5; time += 1) expect(await ask(input)).toBe('accepted');
      expect(await ask(input)).toEqual(spent);
    }

    await limits.reset({ token });
    expect(await ask(bound)).toEqual(spent);
    expect(await ask(open)).toBe('accepted');
    await limits.reset({ token, subject });
    expect(await ask(bound)).toBe('accepted');
  });
});
