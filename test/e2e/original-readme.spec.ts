// The README of wc-django-2factor 0.1, line by line, in TypeScript. Its words are quoted above what they became.
import { Injectable } from '@nestjs/common';
import request from 'supertest';
import { afterEach, describe, expect, it } from 'vitest';

import {
  functionalSenderBackend,
  SENDER_BACKENDS,
  SenderBackend,
  TwoFactorInputError,
  type Delivery,
  type SenderBackendFactory,
  type SenderBackends,
} from '../../lib/index.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

let test: TestApp | undefined;
let sent: string[] = [];
const sendSomewhere = (message: string): void => {
  sent.push(message);
};

async function start(options: TestAppInput['options'], rest: TestAppInput = {}): Promise<TestApp> {
  test = await startApp({ ...rest, ...(options && { options }) });
  return test;
}

const http = (path: string) => request(test!.app.getHttpServer() as string).post(path);

afterEach(async () => {
  await test?.close();
  test = undefined;
  sent = [];
});

describe('In settings.py', () => {
  it("WCD_2FACTOR = { 'SENDERS': { 'default': { verbose_name, backend, options } }, 'DEFAULT_SENDER', 'CONFIRM_CODE_GENERATOR', 'DEBUG_CODE_RESPONSE' }", async () => {
    @Injectable()
    class Backend implements SenderBackend<{ SOME: string }> {
      send({ state, name, verboseName, options }: Delivery<{ SOME: string }>): void {
        sendSomewhere(`${name}, ${verboseName}, ${options.SOME}: ${state.code}`);
      }
    }
    const { confirmer, sender } = await start({
      senders: {
        default: { verboseName: 'Phone sender', backend: Backend, options: { SOME: 'OPTION' } },
      },
      defaultSender: 'default',
      codeGenerator: () => 'made-by-the-generator',
      debugCodeResponse: false,
    });

    const state = await confirmer.makeConfirmation();
    await sender.send(null, '+380501234567', state);

    expect(sent).toEqual(['default, Phone sender, OPTION: madebythegenerator']);
  });

  it('# All root options could also be provided as standalone ones: WCD_2FACTOR_DEFAULT_SENDER', async () => {
    process.env['TWO_FACTOR_DEFAULT_SENDER'] = 'other';
    try {
      const { confirmer, sender } = await start({
        senders: {
          default: { backend: functionalSenderBackend(() => sendSomewhere('default')) },
          other: { backend: functionalSenderBackend(() => sendSomewhere('other')) },
        },
        defaultSender: 'default',
      });
      await sender.send(null, '+380501234567', await confirmer.makeConfirmation());
    } finally {
      delete process.env['TWO_FACTOR_DEFAULT_SENDER'];
    }

    expect(sent).toEqual(['other']);
  });
});

describe('Confirmer: service for confirmation state management', () => {
  it("# Create new confirmation request. state = confirmer.make_confirmation(meta={'any': 'json'})", async () => {
    const { confirmer } = await start(undefined);

    const state = await confirmer.makeConfirmation({ meta: { any: 'json' } });

    // print(state.is_confirmed)  # > False
    expect(state.isConfirmed).toBe(false);
    expect(state.meta).toEqual({ any: 'json' });
    // # Check whether the confirmation request is confirmed. state, confirmed = confirmer.check(state.id)
    const [found, confirmed] = await confirmer.check(state.id);
    // print(confirmed)  # > False
    expect(confirmed).toBe(false);
    expect(found?.id).toBe(state.id);
    expect(found?.meta).toEqual({ any: 'json' });
  });

  it('# Manually if you sure that all requirements had been accomplished. state.confirm()', async () => {
    const { confirmer } = await start(undefined);
    const state = await confirmer.makeConfirmation();

    await state.confirm();

    expect(state.isConfirmed).toBe(true);
    expect((await confirmer.check(state.id))[1]).toBe(true);
  });

  it("# By running confirmation logic from service: state, confirmed = confirmer.confirm(state.id, 'confirmation-code-provided-by-user')", async () => {
    const { confirmer } = await start(undefined);
    const state = await confirmer.makeConfirmation();

    const [wrong, refused] = await confirmer.confirm(state.id, 'confirmation-code');
    expect(refused).toBe(false);
    expect(wrong?.isConfirmed).toBe(false);

    const [after, confirmed] = await confirmer.confirm(state.id, state.code!);
    expect(confirmed).toBe(true);
    expect(after?.isConfirmed).toBe(true);
  });

  it('# It is one time usage, so it will not be accessible to use anymore elsewhere. used = confirmer.use(state)', async () => {
    const { confirmer } = await start(undefined);
    const state = await confirmer.makeConfirmation();

    // if not used: raise Exception('This state is not confirmed yet.')
    expect(await confirmer.use(state)).toBe(false);
    await state.confirm();
    expect(await confirmer.use(state)).toBe(true);
    expect(await confirmer.use(state)).toBe(false);
    expect((await confirmer.check(state.id))[1]).toBe(false);
  });
});

describe('Sender: service that sends message with generated code', () => {
  it("# It has only one method. sender.send('sender-backend-key', 'email.or.a.phone.number.etc@email.com', state, context={})", async () => {
    const { confirmer, sender } = await start({
      defaultSender: 'sender-backend-key',
      senders: {
        'sender-backend-key': {
          backend: functionalSenderBackend(({ token, state, context }) =>
            sendSomewhere(`${token} ${state.code} ${JSON.stringify(context)}`),
          ),
        },
      },
    });
    const state = await confirmer.makeConfirmation();

    await sender.send('sender-backend-key', 'email.or.a.phone.number.etc@email.com', state, {});

    expect(sent).toEqual([`email.or.a.phone.number.etc@email.com ${state.code} {}`]);
    await expect(sender.send('nobody', 'ann@example.com', state)).rejects.toBeInstanceOf(
      TwoFactorInputError,
    );
  });
});

describe('Sender backend development', () => {
  const message = ({ state }: Delivery): void => sendSomewhere(`Here is your code: ${state.code}`);

  it('Sender backend is a callable that takes confirmation options and returns another callable that can handle data sending', async () => {
    const given: unknown[] = [];
    const send: SenderBackendFactory = ({ name, options, verboseName }) => {
      given.push(name, options, verboseName);
      return message;
    };
    const { confirmer, sender } = await start({
      senders: { default: { backend: send, options: { some: 'option' }, verboseName: 'Phone' } },
    });

    const state = await confirmer.makeConfirmation();
    await sender.send('default', '+380501234567', state);

    expect(given).toEqual(['default', { some: 'option' }, 'Phone']);
    expect(sent).toEqual([`Here is your code: ${state.code}`]);
  });

  it('You may create a simple class as a backend: class CustomBackend(SenderBackend)', async () => {
    class CustomBackend implements SenderBackend {
      send(delivery: Delivery): void {
        message(delivery);
      }
    }
    const { confirmer, sender } = await start({ senders: { default: { backend: CustomBackend } } });

    const state = await confirmer.makeConfirmation();
    await sender.send('default', '+380501234567', state);

    expect(sent).toEqual([`Here is your code: ${state.code}`]);
  });

  it('... and name it by its decorator, instead of the dotted path of settings.py', async () => {
    @SenderBackend('custom', { verboseName: 'Custom' })
    class CustomBackend implements SenderBackend {
      send(delivery: Delivery): void {
        message(delivery);
      }
    }
    const { app, confirmer, sender } = await start(
      { senders: { default: { backend: 'custom' } } },
      { providers: [CustomBackend] },
    );

    const state = await confirmer.makeConfirmation();
    await sender.send(null, '+380501234567', state);

    expect(sent).toEqual([`Here is your code: ${state.code}`]);
    const backends: SenderBackends = app.get(SENDER_BACKENDS, { strict: false });
    expect([...backends.keys()]).toEqual(['default']);
    expect(backends.get('default')?.verboseName).toBe('Custom');
  });

  it('Or just made a function: @FunctionalSenderBackend.from_callable, here functionalSenderBackend, makes a sender backend of a function', async () => {
    const customCallableBackend = functionalSenderBackend<{ from: string }>(
      ({ token, state, name, context, options }) =>
        sendSomewhere(`${token} ${state.code} ${name} ${JSON.stringify(context)} ${options.from}`),
    );
    const { confirmer, sender } = await start({
      senders: { default: { backend: customCallableBackend, options: { from: 'ACME' } } },
    });

    const state = await confirmer.makeConfirmation();
    await sender.send('default', '+380501234567', state, { locale: 'uk' });

    expect(sent).toEqual([`+380501234567 ${state.code} default {"locale":"uk"} ACME`]);
  });
});

describe("DRF: path('api/v1/auth/2factor/', include(...)), there will be 2 views", () => {
  const controller = { path: 'api/v1/auth/2factor' };

  it('request-confirmation/ - to request confirmation code to your device; confirm/ - to confirm that two factor request', async () => {
    const { confirmer, inbox } = await start({ controller });

    const requested = await http('/api/v1/auth/2factor/request-confirmation/')
      .send({ token: 'ann@example.com', way: 'default' })
      .expect(200);
    const { id } = requested.body as { id: string };
    expect(requested.body).not.toHaveProperty('code');
    expect(inbox.deliveries).toMatchObject([{ token: 'ann@example.com', name: 'default' }]);

    const confirmed = await http('/api/v1/auth/2factor/confirm/')
      .send({ id, code: inbox.lastCode })
      .expect(200);
    expect(confirmed.body).toEqual({ id, confirmed: true });
    expect((await confirmer.check(id))[1]).toBe(true);
  });

  it('`way` is not required: it defaults to the default sender', async () => {
    const { inbox } = await start({ controller });

    await http('/api/v1/auth/2factor/request-confirmation/')
      .send({ token: 'ann@example.com' })
      .expect(200);

    expect(inbox.deliveries).toMatchObject([{ name: 'default' }]);
  });

  it('DEBUG_CODE_RESPONSE: show code, sent to backend, straight in code request response', async () => {
    await start({ controller, debugCodeResponse: true });

    const requested = await http('/api/v1/auth/2factor/request-confirmation/')
      .send({ token: 'ann@example.com' })
      .expect(200);
    const { id, code } = requested.body as { id: string; code: string };
    expect(code).toBe(test!.inbox.lastCode);

    const confirmed = await http('/api/v1/auth/2factor/confirm/').send({ id, code }).expect(200);
    expect(confirmed.body).toEqual({ id, confirmed: true, code });
  });
});
