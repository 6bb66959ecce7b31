// One test for each line of "Found while the design was attacked", under that line's words.
import { Controller, HttpCode, Post, ValidationPipe, type ExecutionContext } from '@nestjs/common';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  ConfirmationRecord,
  RequireConfirmation,
  TwoFactorInputError,
  TwoFactorUnavailableError,
  TwoFactorUnknownSecretError,
} from '../../lib/index.js';
import { engines, servers } from '../support/engines.js';
import { SECRET, startApp, type TestApp } from '../support/test-app.js';

const NEW_SECRET = `${SECRET}-rotated`;

@Controller('transfers')
class TransfersController {
  @Post()
  @HttpCode(200)
  @RequireConfirmation('transfer', {
    details: (context) => ({ amount: bodyOf(context)['amount'] ?? null }),
  })
  transfer(): { done: true } {
    return { done: true };
  }
}

const bodyOf = (context: ExecutionContext): Record<string, string | undefined> =>
  context.switchToHttp().getRequest<{ body: Record<string, string | undefined> }>().body;

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];

describe.each(engines)('Found while the design was attacked, on %s:', (engine) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startApp({
      engine,
      controllers: [TransfersController],
      options: {
        controller: true,
        purposes: {
          '': { open: true },
          transfer: { subject: userOf, recipient: (context) => `${userOf(context)}@bank.example` },
        },
      },
      configure: (app) =>
        app.useGlobalPipes(
          new ValidationPipe({
            whitelist: true,
            forbidNonWhitelisted: true,
            transform: true,
            transformOptions: { enableImplicitConversion: true },
          }),
        ),
    });
  });
  afterAll(() => test.close());

  const http = (path: string) =>
    request(test.app.getHttpServer() as string)
      .post(path)
      .set('x-user', 'ann');

  it("a stolen session asks for a code to the thief's own mailbox and passes a step-up: refused", async () => {
    const sent = test.inbox.deliveries.length;

    await http('/2factor/request-confirmation')
      .send({ purpose: 'transfer', token: 'thief@evil.example' })
      .expect(400);
    // A proof of the attacker's own mailbox, with an open purpose, is worth nothing at the guarded route either.
    const own = await test.twoFactor.request({ token: 'thief@evil.example' });
    await test.confirmer.confirm(own.id, test.inbox.lastCode);
    await http('/transfers').set('x-confirmation-id', own.id).send({ amount: '10' }).expect(403);

    expect(test.inbox.deliveries.slice(sent).map(({ token }) => token)).toEqual([
      'thief@evil.example',
    ]);
    await http('/2factor/request-confirmation').send({ purpose: 'transfer' }).expect(200);
    expect(test.inbox.deliveries.at(-1)?.token).toBe('ann@bank.example');
  });

  it('a proof for 10 EUR used for 10,000 EUR: refused, and the proof stays', async () => {
    const binding = { purpose: 'transfer', subject: 'ann', details: { amount: '10' } };
    await test.twoFactor.request({ token: 'ann@bank.example', ...binding });
    const { state, code } = test.inbox.deliveries.at(-1)!;
    await http('/2factor/confirm').send({ id: state.id, code }).expect(200);

    await http('/transfers')
      .set('x-confirmation-id', state.id)
      .send({ amount: '10000' })
      .expect(403);
    await http('/transfers').set('x-confirmation-id', state.id).send({ amount: '10' }).expect(200);
    await http('/transfers').set('x-confirmation-id', state.id).send({ amount: '10' }).expect(409);
    expect((await test.confirmer.check(state.id))[0]?.status).toBe('used');
  });

  it('case, accent and trailing-blank variants of purpose, subject and id: refused', async () => {
    const binding = { purpose: 'login', subject: 'jose' };
    const state = await test.confirmer.makeConfirmation({ ...binding, isConfirmed: true });

    for (const subject of ['JOSE', 'Jose', 'josé', 'jose ', ' jose', 'jos\u0065\u0301']) {
      expect(await test.confirmer.use(state, { ...binding, subject })).toBe(false);
    }
    for (const purpose of ['LOGIN', 'login ', 'lógin', 'Login']) {
      await expect(test.confirmer.use(state, { ...binding, purpose })).rejects.toBeInstanceOf(
        TwoFactorInputError,
      );
    }
    for (const id of [state.id.toUpperCase(), `${state.id} `, ` ${state.id}`]) {
      await expect(test.confirmer.use(id, binding)).rejects.toBeInstanceOf(TwoFactorInputError);
    }
    expect(await test.confirmer.erase({ subject: 'JOSE' })).toBe(0);
    expect(await test.confirmer.use(state, binding)).toBe(true);
  });

  it('use through a state object whose purpose was changed in memory: only the id counts', async () => {
    const state = await test.confirmer.makeConfirmation({ purpose: 'login', isConfirmed: true });

    expect(() => Object.assign(state, { purpose: 'transfer' })).toThrow(TypeError);
    Object.defineProperty(state, 'purpose', { value: '' });
    expect(state.purpose).toBe('');
    expect(await test.confirmer.use(state)).toBe(false);
    expect(await test.confirmer.use(state, { purpose: 'transfer' })).toBe(false);
    expect(await test.confirmer.use(state, { purpose: 'login' })).toBe(true);
  });

  it('an unrelated open transaction that rolls back: neither attempt nor use is given back', async () => {
    const guessed = await test.confirmer.makeConfirmation();
    const proof = await test.confirmer.makeConfirmation({ isConfirmed: true });
    const runner = test.dataSource.createQueryRunner();
    await runner.startTransaction();

    const calls = Promise.all([
      test.confirmer.confirm(guessed.id, 'WRONGCODE'),
      test.confirmer.use(proof),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await runner.rollbackTransaction();
    const [[after], used] = await calls;
    await runner.release();

    expect(after?.attemptsLeft).toBe(4);
    expect(used).toBe(true);
    expect((await test.confirmer.check(guessed.id))[0]?.attemptsLeft).toBe(4);
    expect(await test.confirmer.use(proof)).toBe(false);
  });

  it('token, way, purpose of a row rewritten by SQL, then resend: nothing goes to the new address', async () => {
    const repository = test.dataSource.getRepository(ConfirmationRecord);
    const rewrites: readonly { way?: string; purpose?: string; subject?: string }[] = [
      { way: 'evil' },
      { purpose: 'transfer' },
      { subject: 'mallory' },
    ];
    for (const rewrite of rewrites) {
      const { id } = await test.twoFactor.request({ token: 'ann@example.com', purpose: 'login' });
      test.clock.advance(60);
      const sent = test.inbox.deliveries.length;
      await repository.update({ id }, rewrite);

      await expect(test.twoFactor.resend(id)).rejects.toBeInstanceOf(TwoFactorUnknownSecretError);
      expect(test.inbox.deliveries).toHaveLength(sent);
    }
    // There is no token column to rewrite: the address is in the envelope, and another row's does not open here.
    const mine = await test.twoFactor.request({ token: 'ann@example.com' });
    const thiefs = await test.twoFactor.request({ token: 'thief@evil.example' });
    test.clock.advance(60);
    const { envelope } = await repository.findOneByOrFail({ id: thiefs.id });
    await repository.update({ id: mine.id }, { envelope });
    await expect(test.twoFactor.resend(mine.id)).rejects.toBeInstanceOf(
      TwoFactorUnknownSecretError,
    );
  });

  it('a global pipe with implicit conversion: the number 123456 is still refused', async () => {
    const { id } = await test.twoFactor.request({ token: 'ann@example.com' });

    await http('/2factor/confirm').send({ id, code: 123456 }).expect(400);

    expect((await test.confirmer.check(id))[0]?.attemptsLeft).toBe(5);
  });

  it('sending a confirmation to a second token: refused', async () => {
    const state = await test.confirmer.makeConfirmation();
    await test.sender.send(null, 'sent-twice@example.com', state);
    const sent = test.inbox.deliveries.length;

    await expect(test.sender.send(null, 'thief@evil.example', state)).rejects.toBeInstanceOf(
      TwoFactorInputError,
    );
    await expect(test.sender.send(null, 'thief@evil.example', state.id)).rejects.toBeInstanceOf(
      TwoFactorInputError,
    );
    expect(test.inbox.deliveries).toHaveLength(sent);
    expect(state.token).toBe('sent-twice@example.com');
  });
});

// An in-memory database cannot be opened by a second application.
describe.each(engines.filter((engine) => engine !== 'sqljs'))(
  'Found while the design was attacked, on %s:',
  (engine) => {
    it('a secret prepended to the ring: pending confirmations still verify; a secret removed: 410, charged', async () => {
      const before = await startApp({ engine });
      const options = { controller: true };
      const rotated = await startApp({
        engine,
        database: before.database,
        options: { ...options, secret: undefined, secrets: [NEW_SECRET, SECRET] },
      });
      const removed = await startApp({
        engine,
        database: before.database,
        options: { ...options, secret: NEW_SECRET },
      });
      const { id } = await before.twoFactor.request({ token: 'ann@example.com' });
      const code = before.inbox.lastCode;

      await request(removed.app.getHttpServer() as string)
        .post('/2factor/confirm')
        .send({ id, code })
        .expect(410)
        .expect((answer) => expect(answer.body).toMatchObject({ error: 'unknown-secret' }));
      expect((await before.confirmer.check(id))[0]?.attemptsLeft).toBe(4);

      const details = { amount: 10 };
      const proof = await before.confirmer.makeConfirmation({ details, isConfirmed: true });
      expect((await rotated.confirmer.confirm(id, code))[1]).toBe(true);
      const plain = await before.confirmer.makeConfirmation({ isConfirmed: true });
      expect(await removed.confirmer.use(proof, { details })).toBe(false);
      expect(await removed.confirmer.use(plain)).toBe(false);
      expect(await rotated.confirmer.use(plain)).toBe(true);
      expect(await rotated.confirmer.use(proof, { details })).toBe(true);
      await removed.close();
      await rotated.close();
      await before.close();
    });
  },
);

describe.each(servers)('Found while the design was attacked, on %s:', (engine) => {
  it("confirm with a pool of one inside the caller's transaction: an error within the deadline, no hang", async () => {
    const test = await startApp({
      engine,
      dataSource: { poolSize: 1 },
      options: { databaseTimeoutMs: 5_000 },
    });
    const state = await test.confirmer.makeConfirmation();

    await test.dataSource.transaction(async () => {
      await expect(test.confirmer.confirm(state.id, 'WRONGCODE')).rejects.toBeInstanceOf(
        TwoFactorUnavailableError,
      );
    });

    // The call that was given up charges nothing later either.
    expect((await test.confirmer.check(state.id))[0]?.attemptsLeft).toBe(5);
    expect((await test.confirmer.confirm(state.id, state.code!))[1]).toBe(true);
    await test.close();
  });
});

describe('Found while the design was attacked:', () => {
  it('the boot is refused when NODE_ENV is unset and there is no secret', async () => {
    await withEnvironment({ NODE_ENV: undefined }, async () => {
      await expect(startApp({ options: { secret: undefined } })).rejects.toThrow(
        /There is no secret/,
      );
    });
  });

  it('the environment switches the debug code on where the options say false: the boot fails', async () => {
    await withEnvironment({ TWO_FACTOR_DEBUG_CODE_RESPONSE: 'true' }, async () => {
      await expect(startApp({ options: { debugCodeResponse: false } })).rejects.toThrow(
        /TWO_FACTOR_DEBUG_CODE_RESPONSE.*debugCodeResponse/s,
      );
    });
  });
});

async function withEnvironment(
  variables: Record<string, string | undefined>,
  work: () => Promise<void>,
): Promise<void> {
  const set = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  for (const [name, value] of Object.entries(variables)) set(name, value);
  try {
    await work();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}
