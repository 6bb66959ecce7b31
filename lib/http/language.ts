import type { ExecutionContext } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../errors/index.js';

/**
 * Returns the language of a request as a BCP 47 tag; `null` for none. A text that is no such tag counts as none, so that the
 * function may read what a client sent.
 */
export type LanguageResolver = (
  context: ExecutionContext,
) => string | null | undefined | Promise<string | null | undefined>;

/** Longer headers are cut, so that no client makes the server parse kilobytes. Browsers send fewer than 100 characters. */
const MAX_HEADER_LENGTH = 256;
/** What RFC 5646 4.4.1 tells software to expect. */
const MAX_TAG_LENGTH = 35;
/** One language range with its weight (RFC 9110 12.4.2 and 12.5.4), without blanks. */
const RANGE = /^([a-z]{2,8}(?:-[a-z0-9]{1,8}){0,7})(?:;q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i;

/** @throws TwoFactorConfigurationError when the function returns anything but a string, `null` or `undefined`. */
export async function languageOf(
  resolve: LanguageResolver | false | undefined,
  context: ExecutionContext,
): Promise<string | undefined> {
  if (resolve === false) return undefined;
  if (resolve === undefined) {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>();
    return acceptedLanguage(headers['accept-language']);
  }
  const language: unknown = await resolve(context);
  if (language === undefined || language === null) return undefined;
  if (typeof language === 'string') return languageTag(language);
  throw new TwoFactorConfigurationError(
    `The function language of the controller returned a ${typeof language}. Let it return a BCP 47 tag, or null for none.`,
  );
}

/** The language that an `Accept-Language` header weighs most, of several the first; `undefined` for none. */
export function acceptedLanguage(header: unknown): string | undefined {
  if (typeof header !== 'string') return undefined;
  const ranges = header.slice(0, MAX_HEADER_LENGTH).split(',');
  if (header.length > MAX_HEADER_LENGTH) ranges.pop();
  let best: string | undefined;
  let most = 0;
  for (const range of ranges) {
    const [, tag, weight = '1'] = RANGE.exec(range.replace(/[ \t]/g, '')) ?? [];
    if (tag === undefined || Number(weight) <= most) continue;
    const language = languageTag(tag);
    if (language === undefined) continue;
    best = language;
    most = Number(weight);
  }
  return best;
}

/** The tag in its canonical spelling, without extensions; `undefined` for a text that is none. */
function languageTag(text: string): string | undefined {
  if (text.length > MAX_TAG_LENGTH) return undefined;
  try {
    return new Intl.Locale(text).baseName;
  } catch {
    return undefined;
  }
}
