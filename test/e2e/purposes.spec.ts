import { Logger, type ExecutionContext } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  digits,
  TwoFactorConfigurationError,
  type PurposeDefinition,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];
const ANN = { 'x-user': 'ann' };
const bound: PurposeDefinition = { subject: userOf, recipient: () => '+14155550100' };

let app: HttpTestApp | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await app?.close();
  app = undefined;
});

describe.each(adapters)('The purposes over HTTP on $name', ({ create }) => {
  async function start(
    purposes: TwoFactorModuleOptions['purposes'],
    options: TwoFactorModuleOptions = {},
  ): Promise<HttpTestApp> {
    app = await startHttpApp({
      adapter: create(),
      options: { controller: true, ...options, ...(purposes && { purposes }) },
    });
    return app;
  }

  const ask = (body: object, headers = {}): ReturnType<HttpTestApp['post']> =>
    app!.post('/2factor/request-confirmation', body, headers);

  it.each([
    ['none is declared', undefined],
    ['none is declared, in an empty object', {}],
    ['it is declared', { '': { open: true }, transfer: bound }],
  ] as const)('have the unnamed purpose when %s', async (_, purposes) => {
    await start(purposes);
    const { id, code } = await app!.request({ token: 'ann@example.com' });
    expect(await app!.post('/2factor/check', { id })).toMatchObject({ status: 200 });
    expect(await app!.post('/2factor/confirm', { id, code })).toMatchObject({ status: 200 });
  });

  it.each([
    ['a bound one', { transfer: bound }],
    ['an open one', { 'sign-up': { open: true } }],
  ] as const)('have no unnamed purpose beside %s', async (_, purposes) => {
    await start(purposes);
    const statements = await app!.log.during(async () => {
      for (const body of [
        { token: 'ann@example.com' },
        { token: 'ann@example.com', purpose: null },
      ]) {
        expect(await ask(body)).toBeProblem(400, 'invalid-request', {
          detail: 'The body lacks purpose.',
        });
      }
    });
    expect(statements).toStrictEqual([]);
    expect(app!.inbox.deliveries).toStrictEqual([]);
    // What the application itself makes is for no stranger either: neither to read, nor to guess at, nor to send.
    const { id } = await app!.twoFactor.request({ token: 'ann@example.com' });
    const before = await app!.row(id);
    app!.clock.advance(30);
    for (const route of ['confirm', 'check', 'resend']) {
      const body = { id, code: app!.inbox.lastCode };
      expect(await app!.post(`/2factor/${route}`, body)).toBeProblem(404, 'not-found');
    }
    expect(await app!.row(id)).toStrictEqual(before);
  });

  it('takes the token from the client and the subject from the application when the recipient is the client', async () => {
    await start({ 'change-phone': { subject: userOf, recipient: 'client' } });
    const body = { purpose: 'change-phone', token: '+1 (415) 555-0123' };
    expect(await ask(body)).toBeProblem(403, 'no-subject');
    expect(await ask({ purpose: 'change-phone' }, ANN)).toBeProblem(400, 'invalid-request', {
      detail: 'The body lacks token.',
    });
    expect(app!.inbox.deliveries).toStrictEqual([]);

    const { id, code } = await app!.request(body, ANN);
    expect(app!.inbox.deliveries.at(-1)).toMatchObject({ token: '+1 (415) 555-0123' });
    const eve = { 'x-user': 'eve' };
    expect(await app!.post('/2factor/confirm', { id, code }, eve)).toBeProblem(404, 'not-found');
    expect(await app!.post('/2factor/confirm', { id, code }, ANN)).toMatchObject({ status: 200 });

    const [state] = await app!.confirmer.check(id, { purpose: 'change-phone', subject: 'ann' });
    expect(state).toMatchObject({ token: '+14155550123', kind: 'phone' });
    expect(await app!.confirmer.use(id, { purpose: 'change-phone' })).toBe(false);
    expect(await app!.confirmer.use(id, { purpose: 'change-phone', subject: 'ann' })).toBe(true);
  });
});

describe('The purposes at boot', () => {
  it.each([
    ['says once which purposes are open without saying so', { '': {}, login: {}, transfer: bound }],
  ])('%s', async (_, purposes) => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    app = await startHttpApp({ options: { purposes } });
    const lines = warn.mock.calls.map(([line]) => String(line));
    expect(lines.filter((line) => line.includes('open: true'))).toStrictEqual([
      'Purposes without subject and recipient are open, so that anybody may have a code sent to any token: ' +
        "'', login. Write open: true if that is meant.",
    ]);
  });

  it.each([
    ['a declared open purpose and codes of 6 digits', { login: { open: true } }, {}, 1],
    ['codes of 8 digits', { login: { open: true } }, { codeGenerator: digits(8) }, 0],
    ['bound purposes alone', { transfer: bound }, {}, 0],
  ] as const)(
    'log a hint at 8-digit codes only for open purposes with shorter codes: %s',
    async (_, purposes, more, times) => {
      vi.stubEnv('NODE_ENV', 'production');
      const log = vi.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
      vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
      app = await startHttpApp({ options: { purposes, codeGenerator: undefined, ...more } });
      vi.unstubAllEnvs();
      const lines = log.mock.calls.filter(([line]) => String(line).includes('digits(8)'));
      expect(lines).toHaveLength(times);
    },
  );

  it('are refused when a client names the token and a details class has text, which a stranger could send to others', async () => {
    const { Details } = await import('../support/details.js');
    for (const purpose of [
      { open: true, details: Details },
      { details: Details },
      { subject: userOf, recipient: 'client', details: Details },
    ] as const) {
      const boot = startHttpApp({ options: { purposes: { pay: purpose } } });
      await expect(boot).rejects.toThrow(TwoFactorConfigurationError);
      await expect(boot).rejects.toThrow(
        'The details of purpose pay are a class, and its codes go to a token that the client names: a stranger could write ' +
          'into messages to people. Give details as a function of what the server knows, or leave them out.',
      );
    }
  });
});
