import type { Delivery } from '../sender/index.js';

/** The characters of a provider's text that are read. The rest is dropped, so that a long text cannot occupy the process. */
const MAX_READ_LENGTH = 5_000;
const MAX_LENGTH = 500;
/** A phone number with fewer digits is not searched for in a provider's text, because so few digits occur there by chance. */
const MIN_DIGITS = 6;
// oxlint-disable-next-line no-control-regex
const LINE_BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
/** Characters that a provider may insert into a number or omit from it: `123 456`, `(555) 01-23`. */
const GROUPING = /^[\s().\p{Pd}\p{Cc}\p{Cf}]$/u;

/**
 * The secrets of a message, for `redact`: the code, and the recipient in both spellings that a sender is given. A sender that uses
 * `state.token` gives its provider `+447400123456`, where the person typed `+44 (0)7400 123456`: the digits differ, so that the one
 * spelling is not found by the other.
 */
export function secretsOf({
  code,
  token,
  state,
}: Pick<Delivery, 'code' | 'state' | 'token'>): string[] {
  try {
    return [code, token, state.token ?? token];
  } catch {
    // A secret is gone from the ring, or `limits.normalizeToken` throws. Then no sender has read this spelling either.
    return [code, token];
  }
}

/**
 * Replaces the code and the phone number or address in a provider's text by `***`, because a provider may echo them: in another
 * case or Unicode form, grouped, in a URL, in JSON. The result is one line of at most 500 characters.
 *
 * No regular expression is built from the secrets. One that allowed grouping characters took exponential time for an address of
 * hyphens, and a single request stopped the process. Here each step takes time in proportion to the text and the secrets.
 */
export function redact(text: string, ...secrets: readonly string[]): string {
  const read = text.slice(0, MAX_READ_LENGTH);
  const significant = foldedTextOf(read, isSignificant);
  let literal: FoldedText | undefined;
  const marks = new Int32Array(read.length + 1);
  let end = read.length;
  for (const spelling of new Set(secrets.flatMap(spellingsOf))) {
    let view = significant;
    let pattern = foldedTextOf(spelling, isSignificant).characters;
    if (pattern === '') {
      // A secret that consists of grouping characters only is searched for unchanged.
      view = literal ??= foldedTextOf(read, isAnyCharacter);
      pattern = foldedTextOf(spelling, isAnyCharacter).characters;
    }
    for (const place of matchPositions(pattern, view.characters)) {
      marks[view.starts[place]!]! += 1;
      marks[view.ends[place + pattern.length - 1]!]! -= 1;
    }
    // A secret that continues in the unread rest is not found, so the end that may contain its beginning is dropped.
    if (read.length < text.length) {
      end = Math.min(end, view.starts[view.starts.length - pattern.length] ?? 0);
    }
  }
  const line = maskMarked(read.slice(0, end), marks).replace(LINE_BREAKS, ' ');
  // The text is shortened last, because half of a secret would not be found.
  return line.length > MAX_LENGTH || end < text.length ? `${line.slice(0, MAX_LENGTH)}...` : line;
}

/** The spellings of a secret that are searched for. */
function spellingsOf(secret: string): string[] {
  // The digits of a phone number, without its leading zeros.
  const digits = secret.normalize('NFKD').replace(/\D/g, '').replace(/^0+/, '');
  return [
    secret,
    encodeURIComponent(secret.toWellFormed()),
    JSON.stringify(secret).slice(1, -1),
    ...(digits.length >= MIN_DIGITS ? [digits] : []),
  ].filter((spelling) => spelling !== '');
}

/** Some characters of a text in one case and one Unicode form, each with its position in the text. */
interface FoldedText {
  readonly characters: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

function foldedTextOf(text: string, isShown: (character: string) => boolean): FoldedText {
  let characters = '';
  const starts: number[] = [];
  const ends: number[] = [];
  let start = 0;
  for (const character of text) {
    const end = start + character.length;
    for (const part of folded(character)) {
      if (!isShown(part)) continue;
      characters += part;
      // One position for each code unit, because the search counts code units.
      for (let unit = 0; unit < part.length; unit += 1) {
        starts.push(start);
        ends.push(end);
      }
    }
    start = end;
  }
  return { characters, starts, ends };
}

/** Through upper case, because the two lower-case sigmas share one. NFD, because NFKD turns some characters into 18. */
function folded(character: string): string {
  if (character < '\u0080') return character.toLowerCase();
  return character.normalize('NFD').toLowerCase().toUpperCase().toLowerCase();
}

function isSignificant(character: string): boolean {
  return !GROUPING.test(character);
}

function isAnyCharacter(): boolean {
  return true;
}

/**
 * All positions of a pattern in a text, overlapping ones included, by the Knuth-Morris-Pratt algorithm. `indexOf` may compare
 * most of the pattern again at each position, which takes quadratic time for a text that nearly matches.
 */
function matchPositions(pattern: string, text: string): number[] {
  const places: number[] = [];
  const borders = prefixFunction(pattern);
  let matched = 0;
  for (let at = 0; at < text.length; at += 1) {
    while (matched > 0 && text[at] !== pattern[matched]) matched = borders[matched - 1]!;
    if (text[at] === pattern[matched]) matched += 1;
    if (matched < pattern.length) continue;
    places.push(at + 1 - matched);
    matched = borders[matched - 1]!;
  }
  return places;
}

/** The prefix function of a pattern: for each prefix the length of its longest proper prefix that is also its suffix. */
function prefixFunction(pattern: string): number[] {
  const borders = [0];
  let length = 0;
  for (let at = 1; at < pattern.length; at += 1) {
    while (length > 0 && pattern[at] !== pattern[length]) length = borders[length - 1]!;
    if (pattern[at] === pattern[length]) length += 1;
    borders.push(length);
  }
  return borders;
}

/** Replaces each marked run by `***`. A mark is the number of matches that begin there less those that ended before. */
function maskMarked(text: string, marks: Int32Array): string {
  let struck = '';
  let covering = 0;
  for (let at = 0; at < text.length; at += 1) {
    const isFirst = covering === 0;
    covering += marks[at]!;
    if (covering === 0) struck += text[at];
    else if (isFirst) struck += '***';
  }
  return struck;
}

/** The message of a thrown value, of any type. */
export function describeThrown(thrown: unknown): string {
  try {
    return textOf(thrown);
  } catch {
    // A getter or a proxy threw. Its error is not used, because it may contain a secret, too.
    return 'an error that cannot be read';
  }
}

function textOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  if (!(thrown instanceof Error)) return `a value of type ${typeof thrown} was thrown`;
  // Node's error for several refused connections has a code and an empty message.
  const { message, code, name } = thrown as { message: unknown; code?: unknown; name: string };
  return (
    [message, code, name].find((text): text is string => typeof text === 'string' && text !== '') ??
    'an error'
  );
}
