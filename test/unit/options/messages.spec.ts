import { describe, expect, it } from 'vitest';

import { BUILT_IN_TEXTS } from '../../../lib/messages/index.js';
import { resolveOptions, type ResolvedMessages } from '../../../lib/options/index.js';
import { PRODUCTION, refusal, secret } from './settings-fixtures.js';

const resolved = (messages: object): ResolvedMessages =>
  resolveOptions({ secret, messages }, PRODUCTION).messages;

const DUTCH = {
  subject: 'Uw code',
  heading: 'Uw code {purpose}:',
  approval: 'Alleen voor:',
  validity: '{lifetime} geldig.',
  advice: 'Deel hem met niemand.',
  sms: '{code} is uw code. {approval}',
  smsApproval: 'Voor {details}.',
};

describe('The option messages', () => {
  it('has seven languages, and neither product nor origin, by default', () => {
    const messages = resolveOptions({ secret }, PRODUCTION).messages;
    expect([...messages.texts.keys()].toSorted()).toEqual([
      'de',
      'en',
      'es',
      'fr',
      'pt',
      'pt-BR',
      'uk',
    ]);
    expect(messages).toMatchObject({
      product: '',
      host: null,
      language: 'en',
      isConfigured: false,
    });
  });

  it('takes single texts, a dialect and a language of its own', () => {
    const { texts, language } = resolved({
      language: 'nl',
      texts: {
        'de-CH': { purposes: { login: 'fürs Anmelden' } },
        de: { subject: 'Code von {product}' },
        nl: DUTCH,
      },
    });
    expect(language).toBe('nl');
    expect(texts.get('de')).toMatchObject({
      subject: 'Code von {product}',
      purposes: { login: 'zur Anmeldung' },
    });
    expect(texts.get('de-CH')).toMatchObject({
      subject: 'Code von {product}',
      purposes: { login: 'fürs Anmelden', 'sign-up': 'zur Registrierung' },
    });
    expect(texts.get('nl')).toEqual({ ...DUTCH, purposes: {} });
  });

  it('writes to Brazilians what the application says in Portuguese, unless it has words for them', () => {
    const purposes = { 'close-account': 'para encerrar a conta' };
    const pt = { subject: 'Código {product}', heading: 'Código {purpose}:', purposes };

    const { texts } = resolved({ texts: { 'pt-BR': { heading: 'Código do app:' }, pt } });

    expect(texts.get('pt')).toMatchObject(pt);
    expect(texts.get('pt-BR')).toMatchObject({
      subject: 'Código {product}',
      heading: 'Código do app:',
      smsApproval: BUILT_IN_TEXTS.get('pt-BR')!.smsApproval,
      purposes: { ...BUILT_IN_TEXTS.get('pt-BR')!.purposes, ...purposes },
    });
    expect(resolved({}).texts.get('pt-BR')).toBe(BUILT_IN_TEXTS.get('pt-BR'));
  });

  it('takes the host of an origin, in ASCII', () => {
    expect(resolved({ origin: 'https://bank.example' }).host).toBe('bank.example');
    expect(resolved({ origin: 'https://xn--bnk-qla.example' }).host).toBe('xn--bnk-qla.example');
  });

  it.each([
    ['http://bank.example'],
    ['https://bank.example/'],
    ['https://bank.example:8443'],
    ['https://user@bank.example'],
    ['https://bank.example/login'],
    ['bank.example'],
    ['https://bänk.example'],
    [''],
    [5],
    [null],
  ])('refuses the origin %j', (origin) => {
    expect(refusal({ messages: { origin } })).toMatch(
      /^Option messages\.origin is .* Give https:\/\/ and a host alone/,
    );
  });

  it.each<[string, object, RegExp]>([
    ['an unknown member', { sender: 'ACME' }, /There is no member of messages: sender/],
    ['an empty product', { product: '' }, /messages\.product is ""/],
    ['a long product', { product: 'x'.repeat(41) }, /Give 1 to 40 characters/],
    ['a product of two lines', { product: 'ACME\n@evil.example #1' }, /one line without control/],
    ['a language without texts', { language: 'nl' }, /messages\.language is "nl"\. Give one of/],
    ['no language', { language: 5 }, /messages\.language is 5/],
    ['no tag', { texts: { de_CH: {} } }, /"de_CH"\. Give a BCP 47 tag/],
    ['another spelling', { texts: { 'de-ch': {} } }, /here de-CH/],
    [
      'a language in part',
      { texts: { nl: { subject: 'x' } } },
      /texts\.nl lacks heading, approval/,
    ],
    ['an unknown text', { texts: { en: { title: 'x' } } }, /member of messages\.texts\.en: title/],
    [
      'the code in a subject',
      { texts: { en: { subject: '{code}' } } },
      /subject has \{code\}\. It may have \{product\}: lock screens/,
    ],
    ['the code in a heading', { texts: { en: { heading: '{code}' } } }, /heading has \{code\}/],
    ['an unknown name', { texts: { en: { validity: '{minutes}' } } }, /may have \{lifetime\}/],
    ['an sms without code', { texts: { en: { sms: '{approval}' } } }, /sms lacks \{code\}/],
    ['an sms without approval', { texts: { en: { sms: '{code}' } } }, /sms lacks \{approval\}/],
    [
      'an approval without details',
      { texts: { en: { smsApproval: 'x' } } },
      /smsApproval lacks \{details\}/,
    ],
    ['a text of two lines', { texts: { en: { advice: 'a\nb' } } }, /advice is .* one line/],
    ['a blank text', { texts: { en: { advice: ' ' } } }, /Give 1 to 300 characters/],
    [
      'a name in a purpose',
      { texts: { en: { purposes: { login: 'x {code}' } } } },
      /purposes\.login has \{code\}/,
    ],
    ['a purpose that is no text', { texts: { en: { purposes: { login: 5 } } } }, /purposes\.login/],
  ])('refuses %s', (_, messages, message) => {
    expect(refusal({ messages })).toMatch(message);
  });

  it('refuses a detailsText that is no function', () => {
    expect(refusal({ purposes: { payment: { detailsText: 'x' } } })).toBe(
      'Option purposes.payment.detailsText is "x". Give a function.',
    );
  });
});
