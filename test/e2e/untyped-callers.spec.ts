// What JavaScript, a cast or a forgotten check can hand over: a clear error, and nothing written, charged or leaked.
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  TwoFactorInputError,
  TwoFactorModule,
  TwoFactorSendError,
} from '../../lib/index.js';
import { startApp, type TestApp } from '../support/test-app.js';

let test: TestApp;
beforeEach(async () => {
  test = await startApp();
});
afterEach(() => test.close());

const rows = () => test.dataSource.getRepository(ConfirmationRecord).count();

describe('An untyped caller', () => {
  it.each([null, 1, 'x', undefined])('that gives %j instead of an object', async (input) => {
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
  });

  it.each(['false', 1, 'true', {}])('that gives isConfirmed as %j', async (isConfirmed) => {
    await expect(
      test.confirmer.makeConfirmation({ isConfirmed: isConfirmed as never }),
    ).rejects.toBeInstanceOf(TwoFactorInputError);
    expect(await rows()).toBe(0);
  });

  it('that gives request what it does not take: isConfirmed and manager go no further', async () => {
    const input: { token: string } = Object.assign(
      { token: 'ann@example.com' },
      { isConfirmed: true, manager: null },
    );

    const { state } = await test.twoFactor.request(input);

    expect(state.isConfirmed).toBe(false);
  });

  it.each([{ token: 'ann@example.com' }, { way: 'default' }, { context: { locale: 'uk' } }])(
    'that gives %j for a confirmation which is never sent',
    async (input) => {
      await expect(
        test.confirmer.makeConfirmation({ ...input, isConfirmed: true }),
      ).rejects.toBeInstanceOf(TwoFactorInputError);
      expect(await rows()).toBe(0);
    },
  );

  it('that gives no token: nothing is written', async () => {
    await expect(test.twoFactor.request({} as never)).rejects.toBeInstanceOf(TwoFactorInputError);
    expect(await rows()).toBe(0);
  });

  it('that gives a null manager: not spent on its own', async () => {
    const state = await test.confirmer.makeConfirmation({ isConfirmed: true });

    await expect(test.confirmer.use(state, { manager: null as never })).rejects.toBeInstanceOf(
      TwoFactorInputError,
    );
    expect(await test.confirmer.use(state)).toBe(true);
  });

  it('that changes what it was given back', async () => {
    const { details } = await test.confirmer.makeConfirmation({ details: { amount: 10 } });

    expect(() => Object.assign(details as object, { amount: 10_000 })).toThrow(TypeError);
  });

  it('that writes a factory which returns nothing', async () => {
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

describe('A provider that', () => {
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

  it('throws what cannot be read is a failed send, and says nothing', async () => {
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

  it('repeats code and token in other spellings has them struck out', async () => {
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
