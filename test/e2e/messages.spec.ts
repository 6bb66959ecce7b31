// A message says what its code approves, or it is not sent.
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  DefaultMessageRenderer,
  functionalSenderBackend,
  MESSAGE_RENDERER,
  TwoFactorConfigurationError,
  TwoFactorSendError,
  type MessageRenderer,
  type RenderedMessage,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { failure } from './email-fixtures.js';

const TOKEN = '+15555550123';
let app: TestApp | undefined;
let messages: RenderedMessage[];

afterEach(async () => {
  vi.restoreAllMocks();
  await app?.close();
  app = undefined;
});

async function start(
  options: TwoFactorModuleOptions & TwoFactorModuleExtras = {},
): Promise<TestApp> {
  messages = [];
  app = await startApp({
    options: {
      senders: {
        default: {
          backend: functionalSenderBackend(async ({ render }) => {
            messages.push(await render());
          }),
        },
      },
      ...options,
    },
  });
  return app;
}

describe('The function detailsText of a purpose', () => {
  it('writes what the code approves, in the language of the request, as one plain line', async () => {
    const { twoFactor } = await start({
      purposes: {
        transfer: {
          detailsText: async (details, { language }) =>
            `${language}: ${(details as { payee: string }).payee}\n@evil.example #1 \u202e`,
        },
      },
    });
    await twoFactor.request({
      token: TOKEN,
      purpose: 'transfer',
      details: { payee: 'Bob', amount: '10.00' },
      context: { language: 'fr' },
    });
    const [{ text, sms } = { text: '', sms: '' }] = messages;
    expect(sms).toContain('Vous validez : "fr: Bob @evil.example #1  ".');
    expect(sms.split('\n')).toHaveLength(1);
    expect(text).toContain('\n  fr: Bob @evil.example #1  \n');
    expect(text).not.toContain('10.00');
  });

  it('hides the details when it returns null, where a purpose without it shows each member', async () => {
    const { twoFactor } = await start({
      purposes: { quiet: { detailsText: () => null }, loud: {} },
    });
    const details = { amount: '10.00' };
    await twoFactor.request({ token: TOKEN, purpose: 'quiet', details });
    await twoFactor.request({ token: TOKEN, purpose: 'loud', details });
    expect(messages[0]?.sms).not.toContain('10.00');
    expect(messages[1]?.sms).toContain('You approve: "Amount: 10.00".');
  });

  it.each<[string, () => unknown, new (...args: never[]) => Error]>([
    [
      'throws',
      () => {
        throw new Error('No such account.');
      },
      TwoFactorSendError,
    ],
    ['rejects', () => Promise.reject(new Error('No such account.')), TwoFactorSendError],
    ['returns nothing', () => undefined, TwoFactorConfigurationError],
    ['returns an empty text', () => ' ', TwoFactorConfigurationError],
    ['returns an object', () => ({}), TwoFactorConfigurationError],
    ['returns 201 characters', () => 'x'.repeat(201), TwoFactorConfigurationError],
  ])('stops the message when it %s', async (_, detailsText, type) => {
    const { twoFactor } = await start({
      purposes: { transfer: { detailsText: detailsText as () => string } },
    });
    const asked = twoFactor.request({ token: TOKEN, purpose: 'transfer', details: { amount: 1 } });
    expect(await failure(asked)).toBeInstanceOf(type);
    expect(messages).toEqual([]);
  });
});

describe('A message renderer of the application', () => {
  const replacedBy = (renderer: MessageRenderer): TwoFactorModuleExtras => ({
    messageRenderer: { provide: MESSAGE_RENDERER, useValue: renderer },
  });

  it('writes all messages, and may change a part of the module’s own', async () => {
    const { twoFactor } = await start({
      messageRenderer: {
        provide: MESSAGE_RENDERER,
        inject: [DefaultMessageRenderer],
        useFactory: (base: DefaultMessageRenderer): MessageRenderer => ({
          render: (input) => ({ ...base.render(input), html: `<p>${input.language}</p>` }),
        }),
      },
    });
    await twoFactor.request({ token: TOKEN, context: { language: 'de' } });
    expect(messages[0]).toMatchObject({ subject: 'Ihr Code', html: '<p>de</p>' });
  });

  it.each<[string, (code: string) => unknown]>([
    ['nothing', () => undefined],
    ['a text alone', (code) => code],
    ['no subject', (code) => ({ text: code, sms: code })],
    ['no text', (code) => ({ subject: 'a', sms: code })],
    ['no sms', (code) => ({ subject: 'a', text: code })],
    ['an html that is no text', (code) => ({ subject: 'a', text: code, sms: code, html: {} })],
    ['the code in the subject', (code) => ({ subject: `Code ${code}`, text: code, sms: code })],
    ['a subject of two lines', (code) => ({ subject: 'a\nBcc: eve', text: code, sms: code })],
    ['a text without the code', (code) => ({ subject: 'a', text: 'b', sms: code })],
    ['an sms without the code', (code) => ({ subject: 'a', text: code, sms: 'b' })],
    [
      'eleven segments',
      (code) => ({ subject: 'a', text: code, sms: `${code} ${'x'.repeat(1_520)}` }),
    ],
  ])('sends nothing with %s', async (_, write) => {
    const render: MessageRenderer['render'] = ({ code }) => write(code) as RenderedMessage;
    const { twoFactor } = await start(replacedBy({ render }));
    const error = await failure(twoFactor.request({ token: TOKEN }));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect(messages).toEqual([]);
  });

  it('is not called for a backend that writes its own text', async () => {
    const render = vi.fn<MessageRenderer['render']>(() => {
      throw new Error('not called');
    });
    const { twoFactor } = await start({
      ...replacedBy({ render }),
      senders: { default: { backend: functionalSenderBackend(() => undefined) } },
    });
    await twoFactor.request({ token: TOKEN });
    expect(render).not.toHaveBeenCalled();
  });
});

describe('The boot', () => {
  const warnings = async (options: TwoFactorModuleOptions): Promise<string[]> => {
    const spy = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await start(options);
    return spy.mock.calls.map(([line]) => String(line)).filter((line) => line.includes('segments'));
  };

  it('warns once of each language whose text messages take more than two segments', async () => {
    const sms = `{code}. {approval} ${'Ж'.repeat(130)}`;
    expect(
      await warnings({ messages: { texts: { uk: { sms } } }, purposes: { a: {}, b: {} } }),
    ).toEqual([
      'Text messages in the language uk take 3 segments (UCS-2), and each is charged. Shorten messages.texts.uk.sms, its ' +
        'purposes or the product.',
    ]);
  });

  it('does not warn of the texts of the module', async () => {
    const product = 'ACME Bank';
    const origin = 'https://bank.example';
    expect(
      await warnings({ messages: { product, origin }, purposes: { 'change-email': {} } }),
    ).toEqual([]);
  });
});
