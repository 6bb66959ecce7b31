// What JavaScript, a cast or a forgotten check can hand over: a clear error, and nothing written, charged or leaked.
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  LimitService,
  TwoFactorCallError,
  TwoFactorInputError,
  TwoFactorModule,
  TwoFactorSendError,
} from '../../lib/index.js';
import { METHODS } from '../support/authenticator.js';
import { dumpOf } from '../support/dump.js';
import { startApp, type TestApp } from '../support/test-app.js';

let test: TestApp;
beforeEach(async () => {
  test = await startApp();
});
afterEach(() => test.close());

const rows = () => test.dataSource.getRepository(ConfirmationRecord).count();

describe('An untyped caller', () => {
  it.each([null, 1, 'x', undefined])(
    'that gives %j instead of an object is refused, and no call has an effect',
    async (input) => {
      const given = input as never;
      const state = await test.confirmer.makeConfirmation({ isConfirmed: true });
      const calls = [
        () => test.twoFactor.request(given),
        () => test.confirmer.erase(given),
        ...(input === undefined
          ? []
          : [
              () => test.confirmer.makeConfirmation(given),
              () => test.confirmer.use(state, given),
              () => test.confirmer.check(state.id, given),
            ]),
      ];

      for (const call of calls) await expect(call()).rejects.toBeInstanceOf(TwoFactorInputError);
      expect(await rows()).toBe(1);
      expect(await test.confirmer.use(state)).toBe(true);
    },
  );

  it.each(['false', 1, 'true', {}])(
    'that gives isConfirmed as %j is refused, and nothing is written',
    async (isConfirmed) => {
      await expect(
        test.confirmer.makeConfirmation({ isConfirmed: isConfirmed as never }),
      ).rejects.toBeInstanceOf(TwoFactorInputError);
      expect(await rows()).toBe(0);
    },
  );

  it.each([29, 86_401, 0, -1, 30.5, Number.NaN, Infinity, '600', null])(
    'that gives %j seconds to live is refused, and nothing is sent',
    async (given) => {
      const ttlSeconds = given as never;
      const calls = [
        () => test.confirmer.makeConfirmation({ ttlSeconds }),
        () => test.twoFactor.request({ token: 'ann@example.com', ttlSeconds }),
      ];

      for (const call of calls) await expect(call()).rejects.toBeInstanceOf(TwoFactorInputError);
      expect(test.inbox.deliveries).toEqual([]);
      expect(await rows()).toBe(0);
    },
  );

  it.each([30, 86_400])('may give %i seconds to live, and not one more', async (ttlSeconds) => {
    const { id, code } = await test.confirmer.makeConfirmation({ ttlSeconds });
    const late = await test.confirmer.makeConfirmation({ ttlSeconds });

    test.clock.advance(ttlSeconds - 1);
    expect((await test.confirmer.confirm(id, code!))[1]).toBe(true);
    test.clock.advance(1);
    expect((await test.confirmer.check(late.id))[0]?.status).toBe('expired');
  });

  it('that gives request a null manager is refused, and nothing is sent', async () => {
    await expect(
      test.twoFactor.request({ token: 'ann@example.com', manager: null as never }),
    ).rejects.toBeInstanceOf(TwoFactorInputError);
    expect(test.inbox.deliveries).toEqual([]);
    expect(await rows()).toBe(0);
  });

  it.each<[string, object]>([
    ['an option of makeConfirmation', { isConfirmed: true }],
    ['a member that was renamed', { key: 'order-4711/attempt-1' }],
    ['a misspelt member, even without a value', { purpse: undefined }],
  ])('that gives request %s is refused, and nothing is sent', async (_, extra) => {
    const input = { token: 'ann@example.com', ...extra };

    await expect(test.twoFactor.request(input)).rejects.toThrow(
      new TwoFactorInputError(
        `request takes no ${Object.keys(extra)[0]}. Known: context, details, deviceToken, idempotencyKey, manager, meta, method, methods, ` +
          'purpose, requester, subject, token, tokenFrom, ttlSeconds, way.',
      ),
    );
    expect(test.inbox.deliveries).toEqual([]);
    expect(await rows()).toBe(0);
  });

  it('that gives request methods which there are not, or no subject for them, is told so', async () => {
    const app = await startApp({ options: { methods: METHODS } });
    const given = { subject: 'ann', token: 'ann@example.com' };
    const unknown = /methods is a list of different names of methods: code, totp, recovery/;
    const withoutSubject = /need a subject, whose factors they ask/;
    const inputs: [object, RegExp][] = [
      [{ ...given, methods: ['totpp'] }, unknown],
      [{ ...given, methods: 'totp' }, unknown],
      [{ ...given, methods: [] }, unknown],
      [{ ...given, methods: ['code', 'code'] }, unknown],
      [{ ...given, methods: null }, unknown],
      [{ token: given.token, methods: ['totp'] }, withoutSubject],
      [{ token: given.token, methods: ['totp', 'code'] }, withoutSubject],
      [{ ...given, methods: ['totp', 'code'], tokenFrom: 'Client' }, /tokenFrom is 'client' or/],
    ];

    for (const [input, text] of inputs) {
      const call = app.twoFactor.request(input as never);
      const error: unknown = await call.catch((thrown: unknown) => thrown);
      expect(error, JSON.stringify(input)).toBeInstanceOf(TwoFactorInputError);
      expect(String(error)).toMatch(text);
    }

    expect(app.inbox.deliveries).toEqual([]);
    expect(await app.dataSource.getRepository(ConfirmationRecord).count()).toBe(0);
    await app.close();
  });

  it('that misspells a member of any call is told which one, and no call has an effect', async () => {
    const { confirmer, sender, twoFactor } = test;
    const limits = test.app.get(LimitService, { strict: false });
    const { id } = await twoFactor.request({ token: 'ann@example.com', subject: 'ann' });
    const proof = await confirmer.makeConfirmation({ isConfirmed: true });
    const extra = { managr: 1 } as never;
    const calls: Record<string, () => Promise<unknown>> = {
      makeConfirmation: () => confirmer.makeConfirmation(extra),
      check: () => confirmer.check(proof, extra),
      use: () => confirmer.use(proof, extra),
      erase: () => confirmer.erase({ subject: 'ann', ...(extra as object) }),
      purge: () => confirmer.purge(extra),
      request: () => twoFactor.request({ token: 'bob@example.com', ...(extra as object) }),
      resend: () => twoFactor.resend(id, extra),
      send: () => sender.send(null, 'ann@example.com', id, undefined, extra),
      reset: () => limits.reset({ token: 'ann@example.com', ...(extra as object) }),
      failures: () => limits.failures({ token: 'ann@example.com', ...(extra as object) }),
    };
    test.clock.advance(30);
    const before = await dumpOf(test.dataSource);

    for (const [name, call] of Object.entries(calls)) {
      const error: unknown = await call().catch((thrown: unknown) => thrown);
      expect(error, name).toBeInstanceOf(TwoFactorInputError);
      expect(String(error), name).toContain(`${name} takes no managr. Known: `);
    }
    expect(await dumpOf(test.dataSource)).toEqual(before);
    expect(test.inbox.deliveries).toHaveLength(1);
    expect(await confirmer.use(proof)).toBe(true);
  });

  it('that passes on a text of a user as the name of a member gets an error that does not quote the text', async () => {
    const error: unknown = await test.confirmer
      .makeConfirmation({ ['ann@example.com\n']: 1 } as never)
      .catch((thrown: unknown) => thrown);

    expect(String(error)).toContain(
      'makeConfirmation takes no member of such a name. Known: context,',
    );
    expect(String(error)).not.toContain('ann@');
  });

  it('whose object inherits other members is served, because a prototype that was changed must not stop every call', async () => {
    const inherited: object = Object.create({ polluted: 1 });
    const input = Object.assign(inherited, { token: 'ann@example.com' });

    expect((await test.twoFactor.request(input)).attemptsLeft).toBe(5);
  });

  it.each([{ token: 'ann@example.com' }, { way: 'default' }, { context: { locale: 'uk' } }])(
    'that gives %j for a confirmation which is never sent is refused, and nothing is written',
    async (input) => {
      await expect(
        test.confirmer.makeConfirmation({ ...input, isConfirmed: true }),
      ).rejects.toBeInstanceOf(TwoFactorInputError);
      expect(await rows()).toBe(0);
    },
  );

  it('that gives request no token is refused, and nothing is written', async () => {
    await expect(test.twoFactor.request({} as never)).rejects.toBeInstanceOf(TwoFactorInputError);
    expect(await rows()).toBe(0);
  });

  it('that gives use a null manager is refused, and the proof stays usable', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

    await expect(test.confirmer.use(state, { manager: null as never })).rejects.toBeInstanceOf(
      TwoFactorCallError,
    );
    expect(await test.confirmer.use(state)).toBe(true);
  });

  it('that changes the details of a returned state gets a TypeError', async () => {
    const { details } = await test.confirmer.makeConfirmation({ details: { amount: 10 } });

    expect(() => Object.assign(details as object, { amount: 10_000 })).toThrow(TypeError);
  });

  it('that writes a factory which returns nothing is refused at boot', async () => {
    @Module({
      imports: [
        TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true }),
        TwoFactorModule.forRootAsync({ useFactory: () => undefined as never }),
      ],
    })
    class AppModule {}

    await expect(Test.createTestingModule({ imports: [AppModule] }).compile()).rejects.toThrow(
      /options of TwoFactorModule is undefined. Give an object/,
    );
  });
});

describe('An error of a provider', () => {
  const unreadable = (): object =>
    new Proxy(
      {},
      {
        get() {
          throw new Error('not to be read');
        },
        getPrototypeOf() {
          throw new Error('not to be known');
        },
      },
    );

  it('that throws when its properties are read makes the request fail with TwoFactorSendError', async () => {
    for (const thrown of [
      unreadable(),
      Object.defineProperty(new Error(), 'message', {
        get() {
          throw new Error('the message');
        },
      }),
    ]) {
      test.inbox.failNext(thrown);

      await expect(test.twoFactor.request({ token: 'ann@example.com' })).rejects.toBeInstanceOf(
        TwoFactorSendError,
      );
    }
  });

  it('reaches the caller without the code and the token, also when it has them in other spellings', async () => {
    const token = '+14155550123';
    const state = await test.confirmer.makeConfirmation();
    const code = state.code!;
    const spaced = `${code.slice(0, 5)} ${code.slice(5)}`;
    test.inbox.failNext(
      new Error(`${spaced} ${code.toLowerCase()} to 001-415-555-0123, (415) 14155550123 failed`),
    );

    const error = await test.sender.send(null, token, state).catch((thrown: unknown) => thrown);

    const said = ((error as Error).cause as Error).message;
    expect(said).not.toContain(code.slice(5));
    expect(said.toLowerCase()).not.toContain(code.toLowerCase());
    expect(said).not.toMatch(/555/);
  });
});
