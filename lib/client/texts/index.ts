import { ENGLISH as ELEMENT_TEXTS } from '../element/texts.js';
import { GERMAN } from './de.js';
import { SPANISH } from './es.js';
import { FRENCH } from './fr.js';
import type { LanguageTexts } from './language-texts.js';
import { BRAZILIAN_PORTUGUESE } from './pt-br.js';
import { PORTUGUESE } from './pt.js';
import { UKRAINIAN } from './uk.js';

export type { LanguageTexts };
export { BRAZILIAN_PORTUGUESE, FRENCH, GERMAN, PORTUGUESE, SPANISH, UKRAINIAN };

/** The texts in English, which the element has without this module. */
export const ENGLISH: LanguageTexts = ELEMENT_TEXTS;

/**
 * The texts in the language of a page or of a person, such as `textsFor(document.documentElement.lang)`. English for a language that
 * this module has no texts in. A bundle that calls this function has the texts of all languages.
 *
 * @param language a BCP 47 tag such as `de-AT`, of which the first part counts; only `pt-BR` has texts of its own beside `pt`
 */
export function textsFor(language: string): LanguageTexts {
  const [name = '', region] = language.toLowerCase().split('-');
  const languages = new Map([
    ['de', GERMAN],
    ['es', SPANISH],
    ['fr', FRENCH],
    ['pt', PORTUGUESE],
    ['pt-br', BRAZILIAN_PORTUGUESE],
    ['uk', UKRAINIAN],
  ]);
  return languages.get(`${name}-${region}`) ?? languages.get(name) ?? ENGLISH;
}
