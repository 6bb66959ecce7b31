// T8: no value in a message adds a line, an element, a link or a direction to it.
import { describe, expect, it } from 'vitest';

import {
  BUILT_IN_TEXTS,
  DefaultMessageRenderer,
  detailLines,
  plainLine,
  smsSegments,
  type MessageInput,
  type RenderedMessage,
} from '../../../lib/messages/index.js';

const SETTINGS = { texts: BUILT_IN_TEXTS, language: 'en', host: 'bank.example' };
const INPUT: MessageInput = {
  code: '042317',
  purpose: 'login',
  approves: [],
  language: undefined,
  expiresInSeconds: 600,
  product: 'ACME',
  way: 'sms',
};

function render(input: Partial<MessageInput>, settings: object = {}): RenderedMessage {
  return new DefaultMessageRenderer({ ...SETTINGS, ...settings }).render({ ...INPUT, ...input });
}

const ORIGIN_LINE = '\n\n@bank.example #042317';

describe('The messages of the module', () => {
  it.each([
    [
      'en',
      'Your ACME code',
      '042317 is your ACME code to sign in. It is valid for 10 minutes. Do not share it.',
      1,
    ],
    [
      'de',
      'ACME: Ihr Code',
      'ACME: 042317 ist Ihr Code zur Anmeldung. Er ist 10 Minuten gültig. Geben Sie ihn nicht weiter.',
      1,
    ],
    [
      'es',
      'ACME: Su código',
      'ACME: 042317 es su clave de un solo uso para acceder. Vale durante 10 minutos. No la comparta.',
      1,
    ],
    [
      'fr',
      'Votre code ACME',
      '042317 est votre code ACME pour vous connecter. Il est valable 10 minutes. Ne le communiquez pas.',
      1,
    ],
    [
      'pt',
      'ACME: O seu código',
      'ACME: 042317 é o seu código para iniciar sessão. Vale por 10 minutos. Não o partilhe.',
      2,
    ],
    [
      'pt-BR',
      'ACME: Seu código',
      'ACME: 042317 é seu código para entrar. Vale por 10 minutos. Não o compartilhe.',
      2,
    ],
    [
      'uk',
      'ACME: Ваш код',
      'ACME: 042317 — ваш код для входу. Строк дії: 10 хвилин. Нікому не кажіть код.',
      2,
    ],
  ])('are in the language %s', (language, subject, sms, segments) => {
    const message = render({ language });
    expect(message.subject).toBe(subject);
    expect(message.sms).toBe(`${sms}${ORIGIN_LINE}`);
    expect(smsSegments(message.sms).segments).toBe(segments);
    expect(message.html).toContain(`<html lang="${language}" dir="ltr">`);
  });

  it('are complete in each language, and of at most two segments for each purpose', () => {
    const names = Object.keys(BUILT_IN_TEXTS.get('en')!).toSorted();
    const purposes = Object.keys(BUILT_IN_TEXTS.get('en')!.purposes).toSorted();
    for (const [language, texts] of BUILT_IN_TEXTS) {
      expect(Object.keys(texts).toSorted(), language).toEqual(names);
      expect(Object.keys(texts.purposes).toSorted(), language).toEqual(purposes);
      for (const purpose of ['', ...purposes]) {
        const { subject, text, html = '', sms } = render({ language, purpose });
        expect(smsSegments(sms).segments, `${language} ${purpose}`).toBeLessThanOrEqual(2);
        expect(subject).not.toContain('042317');
        for (const part of [text, html, sms]) {
          expect(part.split('042317').length - 1).toBe(part === sms ? 2 : 1);
          const words = part.replace(/<style>.*<\/style>/, '');
          expect(words).not.toMatch(/[{}]|undefined| {2}\S|\u202f/);
          // A no-break space would make a text message one of 70 characters in a segment, instead of 160.
          if (part === sms) expect(words).not.toContain('\u00a0');
        }
      }
    }
  });

  it.each([
    ['de-CH', 'de'],
    ['pt-AO', 'pt'],
    ['pt-BR-abl1943', 'pt-BR'],
    ['uk-Cyrl-UA', 'uk'],
    ['nl', 'en'],
    ['zh-Hant-TW', 'en'],
    ['constructor', 'en'],
    [undefined, 'en'],
  ])('are for %s in the language %s', (language, chosen) => {
    expect(render({ language })).toEqual(render({ language: chosen }));
  });

  it('say how long the code is valid, in the plural forms of the language', () => {
    const of = (language: string, expiresInSeconds: number): string =>
      render({ language, expiresInSeconds }).sms.split('. ')[1]!;
    expect([0, 29, 60, 121, 7_199].map((seconds) => of('en', seconds))).toEqual([
      'It is valid for 1 minute',
      'It is valid for 1 minute',
      'It is valid for 1 minute',
      'It is valid for 2 minutes',
      'It is valid for 120 minutes',
    ]);
    expect([60, 120, 300].map((seconds) => of('uk', seconds))).toEqual([
      'Строк дії: 1 хвилина',
      'Строк дії: 2 хвилини',
      'Строк дії: 5 хвилин',
    ]);
    expect(of('en', 86_399)).toBe('It is valid for 23 hours');
  });

  it('are written from right to left where the language is', () => {
    const texts = new Map([['ar', BUILT_IN_TEXTS.get('en')!]]);
    expect(render({ language: 'ar' }, { texts, language: 'ar' }).html).toContain(
      '<html lang="ar" dir="rtl">',
    );
  });

  it('name neither product nor purpose nor host where there is none', () => {
    const { subject, text, sms } = render({ product: '', purpose: 'other' }, { host: null });
    expect(subject).toBe('Your code');
    expect(text).toMatch(/^Your code: 042317\n/);
    expect(sms).toBe('042317 is your code. It is valid for 10 minutes. Do not share it.');
  });

  it.each([...BUILT_IN_TEXTS.keys()])('name the product once in each form: %s', (language) => {
    const { subject, text, html = '', sms } = render({ language });
    const body = html.replace(/<title>.*<\/title>/, '');

    for (const part of [subject, text, body, sms]) expect(part.split('ACME')).toHaveLength(2);
    expect(text.split('\n')[0]).toContain('ACME');
  });

  it('treat a purpose named like a member of Object.prototype as unnamed', () => {
    for (const purpose of ['constructor', '__proto__', 'toString']) {
      expect(render({ purpose })).toEqual(render({ purpose: '' }));
    }
  });

  it('show approved details as text, even if they contain HTML or placeholders', () => {
    const approves = ['<a href="https://evil.example">{code} {product}</a>', '$& $1 $$'];
    const { text, html = '', sms } = render({ approves, product: '{code}<b>' });
    expect(text).toContain(`approve this:\n  ${approves[0]}\n  ${approves[1]}\n`);
    expect(sms).toContain(
      `share it. You approve: "<a href='https://evil.example'>{code} {product}</a>, $& $1 $$".\n\n@bank`,
    );
    expect(html).toContain('<b>&lt;a href=&quot;https://evil.example&quot;&gt;{code} {product}');
    expect(html).toContain('{code}&lt;b&gt;');
    expect(html).not.toMatch(/<a /);
    for (const part of [text, html]) expect(part.split('042317')).toHaveLength(2);
  });
});

describe('The details in a text message', () => {
  /** A payee that would end the quotes and go on as a sentence of the application. */
  const PAYEES = [
    ...Array.from(
      '"\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u2018\u2019\u201a\u2033\u02ba\u02ee\u05f4\u275d\u275e\u300c\u300d\u301e\uff02',
    ),
    "''",
    '``',
    '\u2032\u2032',
    '\u00b4\u00b4',
  ].map((quote) => [quote, `Bob${quote}. To cancel call 1555. ${quote}`] as const);

  it.each([...BUILT_IN_TEXTS.keys()])(
    'cannot end the quotes around them in the language %s',
    (language) => {
      const shown = BUILT_IN_TEXTS.get(language)!.smsApproval;
      const [before, after] = shown.split('{details}') as [string, string];
      expect([before.at(-1), after.at(0)]).toEqual(['"', '"']);
      for (const [quote, payee] of PAYEES) {
        const { sms } = render({ language, approves: [`Payee: ${payee}`] });
        expect(sms, quote).toContain(`${before}Payee: Bob'. To cancel call 1555. '${after}`);
        expect(sms.split('"')).toHaveLength(3);
      }
    },
  );

  it('keep the apostrophe of a name, in the alphabet of text messages', () => {
    const { sms } = render({ approves: ['Payee: Sinéad O\u2019Brien'] });
    expect(sms).toContain(`"Payee: Sinéad O'Brien"`);
  });

  it('stand on a line of their own in a mail, where no quotes are around them', () => {
    const { text } = render({ approves: [`Payee: ${PAYEES[0]![1]}`] });
    expect(text).toContain(
      `approve this:\n  Payee: Bob". To cancel call 1555. "\n\nThe code is valid`,
    );
  });
});

describe('What a message shows of details', () => {
  it.each([
    ['a line feed', 'a\nb'],
    ['a carriage return', 'a\rb'],
    ['a line separator', 'a\u2028b'],
    ['a paragraph separator', 'a\u2029b'],
    ['a next line', 'a\u0085b'],
    ['an override', 'a\u202eb'],
    ['an embedding', 'a\u202ab'],
    ['an isolate', 'a\u2066b'],
    ['a mark', 'a\u200fb'],
    ['a zero-width blank', 'a\u200bb'],
    ['a NUL', 'a\u0000b'],
  ])('replaces %s by a blank', (_, text) => {
    expect(plainLine(text)).toBe('a b');
    expect(detailLines({ [text]: text })).toEqual(['A b: a b']);
  });

  it('is one line for each member', () => {
    expect(detailLines(null)).toEqual([]);
    expect(detailLines('a plan')).toEqual(['a plan']);
    expect(detailLines({ amount: '10.00', to: { name: 'Bob' } })).toEqual([
      'Amount: 10.00',
      'To: {"name":"Bob"}',
    ]);
  });
});
