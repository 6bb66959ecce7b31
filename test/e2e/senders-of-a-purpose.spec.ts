import { Controller, HttpCode, Post, type ExecutionContext } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorConfigurationError,
  TwoFactorInputError,
  type Delivery,
  type PurposeDefinition,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { engines } from '../support/engines.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { startApp, type TestApp } from '../support/test-app.js';

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];
const ANN = { 'x-user': 'ann' };

const purposes: Record<string, PurposeDefinition> = {
  transfer: { subject: userOf, recipient: (_, way) => `ann-${way}`, senders: ['sms', 'voice'] },
  anyhow: { subject: userOf, recipient: (_, way) => `ann-${way}` },
  usual: { open: true, senders: ['voice', 'email'] },
};

@Controller('transfers')
class TransfersController {
  @Post()
  @HttpCode(200)
  @RequireConfirmation('transfer')
  transfer(): object {
    return { done: true };
  }

  @Post('handler')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async handler(@Confirmation() proof: ConfirmationProof): Promise<object> {
    await proof.use();
    return { done: true };
  }

  @Post('narrow')
  @HttpCode(200)
  @RequireConfirmation('transfer', { senders: ['voice', 'email'] })
  narrow(): object {
    return { done: true };
  }
}

/** All ways lead to one inbox. */
function sendersOf(app: () => TestApp): TwoFactorModuleOptions['senders'] {
  const backend = () => (delivery: Delivery) => app().inbox.send(delivery);
  return { sms: { backend }, voice: { backend }, email: { backend } };
}

describe.each(adapters)('The senders of a purpose over HTTP on $name', ({ create }) => {
  let app: HttpTestApp;
  beforeEach(async () => {
    app = await startHttpApp({
      adapter: create(),
      controllers: [TransfersController],
      options: {
        controller: true,
        purposes,
        defaultSender: 'email',
        senders: sendersOf(() => app),
      },
    });
  });
  afterEach(() => app.close());

  const confirmed = async (body: Record<string, unknown>): Promise<string> => {
    const { id, code } = await app.request(body, ANN);
    expect(await app.post('/2factor/confirm', { id, code }, ANN)).toMatchObject({ status: 200 });
    return id;
  };
  const call = (path: string, id: string): ReturnType<HttpTestApp['post']> =>
    app.post(path, {}, { ...ANN, 'x-confirmation-id': id });

  it('answers 400 with the allowed ways when another one is named, and sends nothing', async () => {
    for (const way of ['email', 'pigeon', 'constructor']) {
      const body = { purpose: 'transfer', way };
      const answer = await app.post('/2factor/request-confirmation', body, ANN);
      expect(answer).toBeProblem(400, 'invalid-request', {
        detail: 'The purpose "transfer" is confirmed by one of the ways sms, voice.',
      });
    }
    expect(app.inbox.deliveries).toStrictEqual([]);
  });

  it('takes the default sender when it is allowed, and else the first, when none is named', async () => {
    await app.request({ purpose: 'transfer' }, ANN);
    await app.request({ purpose: 'usual', token: 'ann@example.com' });
    await app.request({ purpose: 'anyhow' }, ANN);
    expect(app.inbox.deliveries.map(({ name, token }) => [name, token])).toStrictEqual([
      ['sms', 'ann-sms'],
      ['email', 'ann@example.com'],
      ['email', 'ann-email'],
    ]);
  });

  it.each(['/transfers', '/transfers/handler'])(
    'refuses at %s a proof whose code went out by another way, and takes one by an allowed way',
    async (path) => {
      // By another program's statement, or by a version of the application that allowed it.
      const id = await confirmed({ purpose: 'transfer', way: 'sms' });
      const query = 'UPDATE two_factor_confirmation SET way = ? WHERE id = ?';
      await app.dataSource.query(query, ['email', id]);
      expect(await call(path, id)).toMatchObject({ status: 403 });
      expect(await app.row(id)).toMatchObject({ usedAt: null });
      await app.dataSource.query(query, ['voice', id]);
      expect(await call(path, id)).toMatchObject({ status: 200 });
    },
  );

  it('refuses on a route that asks for fewer ways than the purpose', async () => {
    const bySms = await confirmed({ purpose: 'transfer', way: 'sms' });
    expect(await call('/transfers/narrow', bySms)).toMatchObject({ status: 403 });
    expect(await call('/transfers', bySms)).toMatchObject({ status: 200 });
    const byVoice = await confirmed({ purpose: 'transfer', way: 'voice' });
    expect(await call('/transfers/narrow', byVoice)).toMatchObject({ status: 200 });
  });
});

describe.each(engines)('The senders of a purpose through the services on %s', (engine) => {
  let test: TestApp;
  const start = async (options: TwoFactorModuleOptions): Promise<void> => {
    test = await startApp({
      engine,
      options: { defaultSender: 'email', senders: sendersOf(() => test), ...options },
    });
  };
  afterEach(() => test.close());

  const sent = async (way: string, purpose: string): Promise<string> => {
    const { id } = await test.twoFactor.request({ token: '+14155550100', way, purpose });
    await test.confirmer.confirm(id, test.inbox.lastCode);
    return id;
  };

  it('let check and use take a proof by a declared way alone', async () => {
    await start({ purposes: { login: { open: true, senders: ['sms', 'voice'] } } });
    const id = await sent('voice', 'login');
    const { dataSource, confirmer } = test;
    const rename = (way: string): Promise<unknown> =>
      dataSource
        .createQueryBuilder()
        .update('two_factor_confirmation')
        .set({ way })
        .where('id = :id', { id })
        .execute();
    for (const way of ['email', 'SMS', 'sm', 'ms', 'sms,voice', 'voice ', ',', '']) {
      await rename(way);
      expect(await confirmer.check(id, { purpose: 'login' })).toStrictEqual([null, false]);
      expect(await confirmer.use(id, { purpose: 'login' })).toBe(false);
    }
    await rename('voice');
    expect((await confirmer.check(id, { purpose: 'login' }))[1]).toBe(true);
    const uses = await Promise.all(
      Array.from({ length: 20 }, () => confirmer.use(id, { purpose: 'login' })),
    );
    expect(uses.filter(Boolean)).toHaveLength(1);
  });

  it('can be narrowed by a call, and never widened', async () => {
    await start({ purposes: { login: { open: true, senders: ['sms', 'voice'] } } });
    const { confirmer } = test;
    const [bySms, byMail] = [await sent('sms', 'login'), await sent('email', 'other')];
    expect(await confirmer.use(bySms, { purpose: 'login', senders: ['email'] })).toBe(false);
    expect(await confirmer.use(bySms, { purpose: 'login', senders: ['voice'] })).toBe(false);
    expect(await confirmer.use(byMail, { purpose: 'other', senders: ['sms'] })).toBe(false);
    const narrow = { purpose: 'login', senders: ['voice', 'sms'] };
    expect((await confirmer.check(bySms, narrow))[1]).toBe(true);
    expect(await confirmer.use(bySms, narrow)).toBe(true);
    // Of another purpose, in the same statement, no way is asked for.
    expect(await confirmer.use(byMail, { purpose: 'other' })).toBe(true);
    for (const senders of ['sms', [], ['SMS'], [1]]) {
      const input = { purpose: 'login', senders: senders as string[] };
      await expect(confirmer.use(bySms, input)).rejects.toThrow(TwoFactorInputError);
      await expect(confirmer.check(bySms, input)).rejects.toThrow(TwoFactorInputError);
    }
  });

  it('cost nothing where no purpose declares some: one statement without the column', async () => {
    await start({});
    const [first, second] = [await sent('sms', 'login'), await sent('sms', 'login')];
    const plain = await test.log.during(() => test.confirmer.use(first, { purpose: 'login' }));
    expect(plain.map(({ sql }) => /\bway\b/.test(sql))).toStrictEqual([false]);
    const asked = await test.log.during(() =>
      test.confirmer.use(second, { purpose: 'login', senders: ['sms'] }),
    );
    expect(asked.map(({ sql }) => /\bway\b/.test(sql))).toStrictEqual([true]);
  });

  it('make nothing of which no proof could come', async () => {
    await start({ purposes: { login: { open: true, senders: ['sms'] } } });
    const { confirmer, sender, twoFactor } = test;
    const token = '+14155550100';
    const refused = [
      () => twoFactor.request({ token, purpose: 'login', way: 'email' }),
      () => confirmer.makeConfirmation({ token, purpose: 'login', way: 'email' }),
      () => confirmer.makeConfirmation({ purpose: 'login', isConfirmed: true }),
    ];
    for (const make of refused) await expect(make()).rejects.toThrow(TwoFactorInputError);
    const state = await confirmer.makeConfirmation({ purpose: 'login' });
    await expect(sender.send('email', token, state)).rejects.toThrow(TwoFactorInputError);
    await sender.send(null, token, state);
    expect(test.inbox.deliveries.map(({ name }) => name)).toStrictEqual(['sms']);
  });
});

describe('The senders of a purpose at boot', () => {
  it('are refused when there is no sender of that name', async () => {
    const boot = startApp({ options: { purposes: { login: { open: true, senders: ['telex'] } } } });
    await expect(boot).rejects.toThrow(TwoFactorConfigurationError);
    await expect(boot).rejects.toThrow(
      'Purpose login names the sender "telex", and there is none of that name: name some of default.',
    );
  });
});
