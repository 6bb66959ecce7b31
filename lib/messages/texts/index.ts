import type { MessageTexts } from '../message.interface.js';
import { GERMAN } from './de.js';
import { ENGLISH } from './en.js';
import { SPANISH } from './es.js';
import { FRENCH } from './fr.js';
import { BRAZILIAN_PORTUGUESE } from './pt-br.js';
import { PORTUGUESE } from './pt.js';
import { UKRAINIAN } from './uk.js';

/** The languages that this package has texts in, by BCP 47 tag. */
export const BUILT_IN_TEXTS: ReadonlyMap<string, MessageTexts> = new Map([
  ['en', ENGLISH],
  ['de', GERMAN],
  ['es', SPANISH],
  ['fr', FRENCH],
  ['pt', PORTUGUESE],
  ['pt-BR', BRAZILIAN_PORTUGUESE],
  ['uk', UKRAINIAN],
]);
