/** Longer than any sentence of a provider. The rest is dropped unread, so that a longer text costs no more. */
const MAX_READ = 5_000;
const MAX_LENGTH = 500;
/** Fewer digits than this are in many texts by chance. */
const MIN_DIGITS = 6;
// oxlint-disable-next-line no-control-regex
const LINE_BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
/** What a provider may put between the characters of a number, or leave out: `123 456`, `(555) 01-23`. */
const GROUPING = /^[\s().\p{Pd}\p{Cc}\p{Cf}]$/u;

/**
 * Removes the code and the token from a provider's text, because a provider may echo them: in another case or Unicode
 * form, grouped, in a URL, in JSON. The result is one line of at most 500 characters.
 *
 * No regular expression is built from the secrets. One that allowed grouping characters between those of a token of
 * hyphens tried exponentially many ways to match, and a single request stopped the process. Here every step takes time in
 * proportion to the text and to the secrets, whatever they are.
 */
export function redact(text: string, ...secrets: readonly string[]): string {
  const read = text.slice(0, MAX_READ);
  const significant = viewOf(read, isSignificant);
  let literal: View | undefined;
  const marks = new Int32Array(read.length + 1);
  let end = read.length;
  for (const spelling of new Set(secrets.flatMap(spellingsOf))) {
    let view = significant;
    let pattern = viewOf(spelling, isSignificant).characters;
    if (pattern === '') {
      // Nothing but grouping characters: such a secret is searched for as it is.
      view = literal ??= viewOf(read, isAnything);
      pattern = viewOf(spelling, isAnything).characters;
    }
    for (const place of placesOf(pattern, view.characters)) {
      marks[view.starts[place]!]! += 1;
      marks[view.ends[place + pattern.length - 1]!]! -= 1;
    }
    // A secret that continues in the unread rest is not found, so everything that may be its beginning is dropped.
    if (read.length < text.length) {
      end = Math.min(end, view.starts[view.starts.length - pattern.length] ?? 0);
    }
  }
  const line = strike(read.slice(0, end), marks).replace(LINE_BREAKS, ' ');
  // Cut last: half a secret would not be found.
  return line.length > MAX_LENGTH || end < text.length ? `${line.slice(0, MAX_LENGTH)}...` : line;
}

/** All spellings of a secret that are searched for. */
function spellingsOf(secret: string): string[] {
  // A phone number without its `+`, its blanks and its zeros in front.
  const digits = secret.normalize('NFKD').replace(/\D/g, '').replace(/^0+/, '');
  return [
    secret,
    encodeURIComponent(secret.toWellFormed()),
    JSON.stringify(secret).slice(1, -1),
    ...(digits.length >= MIN_DIGITS ? [digits] : []),
  ].filter((spelling) => spelling !== '');
}

/** Some characters of a text in one case and Unicode form, and for each of them where it is in the text. */
interface View {
  readonly characters: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

function viewOf(text: string, isShown: (character: string) => boolean): View {
  let characters = '';
  const starts: number[] = [];
  const ends: number[] = [];
  let start = 0;
  for (const character of text) {
    const end = start + character.length;
    for (const part of folded(character)) {
      if (!isShown(part)) continue;
      characters += part;
      // One position for each code unit, as the search counts them.
      for (let unit = 0; unit < part.length; unit += 1) {
        starts.push(start);
        ends.push(end);
      }
    }
    start = end;
  }
  return { characters, starts, ends };
}

/** By way of upper case, which the two small sigmas share. NFD and not NFKD, which makes 18 characters of one. */
function folded(character: string): string {
  if (character < '\u0080') return character.toLowerCase();
  return character.normalize('NFD').toLowerCase().toUpperCase().toLowerCase();
}

function isSignificant(character: string): boolean {
  return !GROUPING.test(character);
}

function isAnything(): boolean {
  return true;
}

/**
 * Every place of a pattern in a text, overlapping ones too, by the algorithm of Knuth, Morris and Pratt. `indexOf` may
 * compare most of a pattern again at each place of a text that nearly matches.
 */
function placesOf(pattern: string, text: string): number[] {
  const places: number[] = [];
  const borders = bordersOf(pattern);
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

/** For each beginning of a pattern the length of its longest proper beginning that is also its end. */
function bordersOf(pattern: string): number[] {
  const borders = [0];
  let length = 0;
  for (let at = 1; at < pattern.length; at += 1) {
    while (length > 0 && pattern[at] !== pattern[length]) length = borders[length - 1]!;
    if (pattern[at] === pattern[length]) length += 1;
    borders.push(length);
  }
  return borders;
}

/** Writes `***` in place of each run of characters that is marked; a mark counts the patterns that begin and end there. */
function strike(text: string, marks: Int32Array): string {
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

/** What was thrown, whatever it is, as text. */
export function describeThrown(thrown: unknown): string {
  try {
    return textOf(thrown);
  } catch {
    // A getter or a proxy that throws: its error may say anything.
    return 'an error that cannot be read';
  }
}

function textOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  if (!(thrown instanceof Error)) return `a value of type ${typeof thrown} was thrown`;
  // Node's error of several refused connections says nothing but its code.
  const { message, code, name } = thrown as { message: unknown; code?: unknown; name: string };
  return (
    [message, code, name].find((text): text is string => typeof text === 'string' && text !== '') ??
    'an error'
  );
}
