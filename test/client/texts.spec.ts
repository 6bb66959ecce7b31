// The texts of <two-factor-code> in seven languages. A text that is missing or has another name in braces would be shown in English, or
// without the recipient, the time or the number that it is about.
import { fileURLToPath } from 'node:url';

import {
  BRAZILIAN_PORTUGUESE,
  ENGLISH,
  FRENCH,
  GERMAN,
  PORTUGUESE,
  SPANISH,
  textsFor,
  UKRAINIAN,
  type LanguageTexts,
} from 'nestjs-two-factor/client/texts';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';

import { BUILT_IN_TEXTS } from '../../lib/messages/texts/index.js';

const ENTRY = fileURLToPath(new URL('../../lib/client/texts/index.ts', import.meta.url));
const LANGUAGES = {
  en: ENGLISH,
  de: GERMAN,
  es: SPANISH,
  fr: FRENCH,
  pt: PORTUGUESE,
  'pt-BR': BRAZILIAN_PORTUGUESE,
  uk: UKRAINIAN,
};
const TRANSLATED = Object.entries(LANGUAGES).filter(([language]) => language !== 'en');
/** Words that are the same in English and in another language. */
const SHARED_WORDS = new Set(['de code', 'de usePasskey', 'fr code']);

/** Each text of a language by its name, in its form for a number. */
function formsOf(texts: LanguageTexts, count: number): Map<string, string> {
  const { problems, ...others } = texts;
  const all = Object.entries({ ...others, ...problems }) as [string, LanguageTexts['attempts']][];
  return new Map(all.map(([name, text]) => [name, typeof text === 'string' ? text : text(count)]));
}

const namesInBraces = (text: string): string[] => text.match(/\{[a-z]+\}/g) ?? [];

/** What a page that imports one name loads. */
async function bundleOf(name: string): Promise<string> {
  const build = await rolldown({
    input: 'page',
    plugins: [
      {
        name: 'page',
        resolveId: (id) => (id === 'page' ? id : null),
        load: (id) =>
          id === 'page' ? `import { ${name} } from ${JSON.stringify(ENTRY)}; show(${name});` : null,
      },
    ],
    resolve: { extensionAlias: { '.js': ['.ts'] } },
  });
  const { output } = await build.generate({ format: 'esm' });
  await build.close();
  return output[0].code;
}

describe('The texts of the element', () => {
  it('are there in each language of the messages', () => {
    expect(Object.keys(LANGUAGES)).toEqual([...BUILT_IN_TEXTS.keys()]);
    for (const [language, texts] of Object.entries(LANGUAGES)) {
      expect(textsFor(language), language).toBe(texts);
    }
    expect(textsFor('de-AT')).toBe(GERMAN);
    expect(textsFor('PT')).toBe(PORTUGUESE);
    expect([textsFor('pt-br-abl1943'), textsFor('pt-AO')]).toEqual([
      BRAZILIAN_PORTUGUESE,
      PORTUGUESE,
    ]);
    expect([textsFor('ja'), textsFor('')]).toEqual([ENGLISH, ENGLISH]);
  });

  it.each(TRANSLATED)(
    'have every text with its placeholders, and no text in English: %s',
    (language, texts) => {
      for (const count of [0, 1, 2, 5, 21, 30]) {
        const english = formsOf(ENGLISH, count);
        const forms = formsOf(texts, count);
        expect([...forms.keys()].toSorted()).toEqual([...english.keys()].toSorted());
        for (const [name, text] of english) {
          const form = forms.get(name)!;
          expect([name, namesInBraces(form)]).toEqual([name, namesInBraces(text)]);
          expect([name, form.trim()]).toEqual([name, form]);
          if (!SHARED_WORDS.has(`${language} ${name}`)) expect(form, name).not.toBe(text);
        }
      }
    },
  );

  it.each([
    ['en', 'Please wait {seconds} second before the next message.', [1]],
    ['en', 'Please wait {seconds} seconds before the next message.', [0, 2, 21]],
    ['de', 'Bitte warten Sie {seconds} Sekunde bis zur nächsten Nachricht.', [1]],
    ['de', 'Bitte warten Sie {seconds} Sekunden bis zur nächsten Nachricht.', [0, 2, 21]],
    ['es', 'Espere {seconds} segundo antes de pedir otro mensaje.', [1]],
    ['es', 'Espere {seconds} segundos antes de pedir otro mensaje.', [0, 2, 21]],
    ['fr', 'Veuillez attendre {seconds} seconde avant le prochain message.', [0, 1]],
    ['fr', 'Veuillez attendre {seconds} secondes avant le prochain message.', [2, 21]],
    ['pt', 'Aguarde {seconds} segundo até à próxima mensagem.', [1]],
    ['pt', 'Aguarde {seconds} segundos até à próxima mensagem.', [0, 2, 21]],
    ['pt-BR', 'Aguarde {seconds} segundo para pedir outra mensagem.', [0, 1]],
    ['pt-BR', 'Aguarde {seconds} segundos para pedir outra mensagem.', [2, 21]],
    ['uk', 'Наступне повідомлення — через {seconds} секунду.', [1, 21, 31]],
    ['uk', 'Наступне повідомлення — через {seconds} секунди.', [2, 4, 22]],
    ['uk', 'Наступне повідомлення — через {seconds} секунд.', [0, 5, 11, 12, 30]],
  ] as const)('have the form for the number of seconds: %s, %s', (language, form, counts) => {
    const { resendWait } = textsFor(language);

    for (const count of counts) {
      expect(typeof resendWait === 'function' && resendWait(count), String(count)).toBe(form);
    }
  });

  it.each([
    ['de', ['Noch {attempts} Versuch', 'Noch {attempts} Versuche', 'Noch {attempts} Versuche']],
    [
      'es',
      ['Queda {attempts} intento', 'Quedan {attempts} intentos', 'Quedan {attempts} intentos'],
    ],
    [
      'fr',
      [
        'Il reste {attempts} tentative',
        'Il reste {attempts} tentatives',
        'Il reste {attempts} tentatives',
      ],
    ],
    [
      'pt-BR',
      [
        'Resta {attempts} tentativa',
        'Restam {attempts} tentativas',
        'Restam {attempts} tentativas',
      ],
    ],
    [
      'pt',
      [
        'Resta {attempts} tentativa',
        'Restam {attempts} tentativas',
        'Restam {attempts} tentativas',
      ],
    ],
    [
      'uk',
      [
        'Залишилася {attempts} спроба',
        'Залишилося {attempts} спроби',
        'Залишилося {attempts} спроб',
      ],
    ],
  ] as const)(
    'have the form for the attempts that are left, in each sentence: %s',
    (language, forms) => {
      const texts = textsFor(language);

      for (const [index, count] of [1, 4, 5].entries()) {
        const words = formsOf(texts, count);
        expect(words.get('attempts')).toBe(forms[index]);
        expect(words.get('code-mismatch')).toContain(`. ${forms[index]}.`);
        expect(words.get('passkeyRefused')).toContain(`. ${forms[index]}.`);
      }
    },
  );

  it('leave out of a bundle the languages that a page does not import', async () => {
    const german = await bundleOf('GERMAN');
    const all = await bundleOf('textsFor');
    const found = (code: string): string[] =>
      TRANSLATED.filter(([, { confirmed }]) => code.includes(confirmed)).map(
        ([language]) => language,
      );

    expect(found(german)).toEqual(['de']);
    expect(german).not.toContain(ENGLISH.delayed);
    // The twin that imports all of them.
    expect(found(all)).toEqual(['de', 'es', 'fr', 'pt', 'pt-BR', 'uk']);
  });
});
