import {
  BETWEEN_WORDS_BITS,
  isWordSeparator,
  LONGEST_KNOWN,
  newSecretModel,
  SHORTEST_KNOWN,
  type SecretModel,
} from './secret-model.js';

/**
 * A secret whose shortest description has fewer bits is refused. 32 random characters of `a-z`, `A-Z`, `0-9` have 190 bits, 32
 * random bytes have 256. 32 hexadecimal digits (16 random bytes) and a UUID have 128 and are refused. A passphrase is estimated
 * by its letters: four uncommon words are refused, six are accepted.
 */
export const MIN_SECRET_BITS = 160;

/** The bytes of a secret that are read. The rest of a longer secret is ignored, so that the boot stays short. */
const MAX_READ_BYTES = 1_024;
/** The most nested encodings that are decoded, such as the base64 of hexadecimal digits. */
const MAX_DECODINGS = 3;

/** How the previous character was described: by itself, as a letter after a letter, in a word, or in a longer stretch. */
const LITERAL = 0;
const LETTER = 1;
const WORD = 2;
const STRETCH = 3;
type PreviousKind = typeof LITERAL | typeof LETTER | typeof WORD | typeof STRETCH;
const PREVIOUS_KINDS = 4;
/**
 * The choices 3 to 5 describe several characters at once: as a stretch of a known text, a repetition, or a sequence such as `1234`. The
 * choices 0 to 2 are `LITERAL`, `LETTER` and `WORD`. Each number is a column of `CHOICE_BITS`.
 */
const KNOWN_TEXT = 3;
const REPETITION = 4;
const SEQUENCE = 5;
const CHOICES = 6;
/** The bits of each choice, with a row for each `PreviousKind`. The shares of a row add up to 1. */
const CHOICE_BITS = Float64Array.from(
  [
    [0.86, 0.04, 0.04, 0.02, 0.025, 0.015],
    [0.08, 0.8, 0.05, 0.02, 0.03, 0.02],
    [0.1, 0.1, 0.65, 0.03, 0.09, 0.03],
    [0.25, 0.1, 0.25, 0.1, 0.2, 0.1],
  ].flat(),
  (share) => -Math.log2(share),
);

/** The alphabets of a text, the smallest first, with their numbers of characters without regard to case. */
const SECRET_ALPHABETS: readonly (readonly [size: number, RegExp])[] = [
  [10, /^\d+$/],
  [16, /^[\da-f]+$/],
  [26, /^[a-z]+$/],
  [36, /^[\da-z]+$/],
  [41, /^[\da-z+/=_-]+$/],
  [69, /^[ -~]+$/],
];
/**
 * The number of characters that is assumed for a text with others than printable ASCII, such as the bytes of a decoded secret.
 */
const BYTE_ALPHABET_SIZE = 230;
const ALPHABET_BITS = Math.log2(SECRET_ALPHABETS.length + 1);

/** Before the first character of a text, all characters of its alphabet together count as having occurred this often. */
const PRIOR_COUNT = 8;

const MAX_STRIDE = 8;
const STRIDE_BITS = Math.log2(MAX_STRIDE);
/** The bits of the direction of a repetition, and of whether its capitals differ. */
const REPETITION_BITS = 2;
/** The bits that tell which letters of a common word are capitals: none, the first, the last, all, or others. */
const LOWER_BITS = -Math.log2(0.6);
const FIRST_UPPER_BITS = -Math.log2(0.2);
const LAST_UPPER_BITS = -Math.log2(0.05);
const UPPER_BITS = -Math.log2(0.1);
const MIXED_BITS = -Math.log2(0.05);

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;

/** Digits and signs that replace letters, as in "p4$$w0rd". */
const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '!': 'i',
  '3': 'e',
  '4': 'a',
  '@': 'a',
  '5': 's',
  $: 's',
  '7': 't',
};
/** The shortest word that such signs spell. Shorter ones occur by chance. */
const SHORTEST_SPELT = 4;
const LEET_LETTERS = new Set(Object.values(LEET));

/** Created by the first estimate, because an application with a drawn secret never needs it. */
let model: SecretModel | undefined;

function modelOf(): SecretModel {
  return (model ??= newSecretModel());
}

/**
 * Estimates the bits of a secret, up to `MIN_SECRET_BITS`: the length of the shortest description that is found. An attacker that
 * tries simple texts first needs at most that many bits of guesses.
 *
 * A description consists, from left to right, of any mixture of: a character of the text's alphabet, where characters that
 * occurred before are likelier; a letter, as likely as it follows the previous letter in common words; a common word; a stretch
 * of a keyboard's rows or of a text of `PUBLISHED_TEXTS`, forwards or backwards; a repetition of earlier characters, forwards or
 * backwards; the continuation of an arithmetic sequence with a stride of 1 to 8. Digits that replace letters are described
 * separately. The hexadecimal or base64 text of bytes is also described as these bytes. Dynamic programming finds the shortest
 * description.
 *
 * Random bytes are not refused, and this does not depend on the quality of the model. At each character the shares of all choices
 * add up to at most 1, so that the descriptions are a prefix code, and at most 2^k texts of one length have a description of
 * fewer than k bits (Kraft's inequality). There are at most 4 encodings, and each is described twice: as it is, and with letters for the
 * signs that replace them. So at most 8 * 2^160 of the 2^256 values of 32 random bytes are refused, in hexadecimal, base64, base64url or
 * bytes: a probability of at most 2^-93.
 *
 * The converse is not proved: a text that is easy to guess for a reason outside of the model, such as a line of a Latin poem or the
 * SHA-256 of a word, has a high estimate.
 */
export function secretBits(secret: Uint8Array): number {
  let bits = MIN_SECRET_BITS;
  let text: string | null = Buffer.from(secret).subarray(0, MAX_READ_BYTES).toString('latin1');
  for (let decodings = 0; text !== null && decodings <= MAX_DECODINGS; decodings += 1) {
    bits = Math.min(bits, bitsOfText(text));
    text = decoded(text);
  }
  return bits;
}

/** Decodes hexadecimal digits, a UUID or base64; `null` for other texts. */
function decoded(text: string): string | null {
  const digits = UUID.test(text) ? text.replaceAll('-', '') : text;
  if (digits.length % 2 === 0 && /^[\da-f]+$/i.test(digits)) {
    return Buffer.from(digits, 'hex').toString('latin1');
  }
  const bare = text
    .replace(/={1,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  const bytes = Buffer.from(bare, 'base64url');
  return bytes.length > 0 && bytes.toString('base64url') === bare ? bytes.toString('latin1') : null;
}

function bitsOfText(text: string): number {
  const plain = descriptionBits(text);
  const spelt = text.replace(/[01!34@5$7]/g, (sign) => LEET[sign] ?? sign);
  if (!spellsWord(text, spelt)) return plain;
  let replaceable = 0;
  let replaced = 0;
  for (let at = 0; at < spelt.length; at += 1) {
    if (LEET_LETTERS.has(spelt.charAt(at))) replaceable += 1;
    if (spelt.charAt(at) !== text.charAt(at)) replaced += 1;
  }
  // One more bit for each replaced letter, because two signs each replace "a", "i" and "s".
  return Math.min(
    plain,
    descriptionBits(spelt) + bitsOfSelection(replaceable, replaced) + replaced,
  );
}

/** Whether signs that replace letters are part of a common word. For random texts this saves the second description. */
function spellsWord(text: string, spelt: string): boolean {
  if (spelt === text) return false;
  const lower = spelt.toLowerCase();
  for (let at = 0; at < lower.length; at += 1) {
    for (const { word } of modelOf().wordsFrom(lower, at)) {
      if (word.length < SHORTEST_SPELT || !lower.startsWith(word, at)) continue;
      if (spelt.slice(at, at + word.length) !== text.slice(at, at + word.length)) return true;
    }
  }
  return false;
}

/** The bits that select `chosen` of `all` positions. */
function bitsOfSelection(all: number, chosen: number): number {
  let bits = Math.log2(all + 1);
  for (let at = 1; at <= chosen; at += 1) bits += Math.log2((all - chosen + at) / at);
  return bits;
}

/** The bits of the shortest description of a text in one encoding, up to `MIN_SECRET_BITS`. */
function descriptionBits(written: string): number {
  const known = modelOf();
  const text = written.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const size =
    SECRET_ALPHABETS.find(([, characters]) => characters.test(text))?.[0] ?? BYTE_ALPHABET_SIZE;
  const { length } = text;
  /** The bits that tell which letters before each position are capitals, if that is described letter by letter. */
  const caseBits = bitsOfCase(written);
  const links = previousPlaces(text);
  const descriptions = new ShortestDescriptions(length);
  const counts = new Uint16Array(256);

  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    const capital = caseBits[at + 1]! - caseBits[at]!;
    if (!descriptions.moveTo(at)) return MIN_SECRET_BITS;
    // Half of a character's probability is the same for the whole alphabet, half is proportional to its earlier occurrences.
    const often = (counts[code]! + PRIOR_COUNT / size) / (at + PRIOR_COUNT);
    descriptions.reach(at + 1, LITERAL, LITERAL, capital - Math.log2(0.5 / size + 0.5 * often));
    counts[code]! += 1;

    const letter = known.bitsAfter(at > 0 ? text.charCodeAt(at - 1) : 0, code);
    if (letter !== Infinity) descriptions.reach(at + 1, LETTER, LETTER, letter + capital);

    for (const { word, bits } of known.wordsFrom(text, at)) {
      if (!text.startsWith(word, at)) continue;
      const end = at + word.length;
      // One bit for whether a hyphen, dot or underscore follows.
      const wordBits = bits + bitsOfCapitals(written.slice(at, end)) + 1;
      descriptions.reach(end, WORD, WORD, wordBits);
      if (isWordSeparator(text.charAt(end))) {
        descriptions.reach(end + 1, WORD, WORD, wordBits + BETWEEN_WORDS_BITS);
      }
    }

    const inKnown = known.longestKnown(text, at);
    const knownBits = known.placeBits + Math.log2(LONGEST_KNOWN - SHORTEST_KNOWN + 1);
    for (let end = at + SHORTEST_KNOWN; end <= at + inKnown; end += 1) {
      descriptions.reach(end, STRETCH, KNOWN_TEXT, knownBits + caseBits[end]! - caseBits[at]!);
    }

    const lengthBits = Math.log2(length - at);
    const loosely = longestRepetition(text, links, at);
    if (loosely > 1) {
      const exactly = written === text ? loosely : longestRepetition(written, links, at);
      const repetitionBits = Math.log2(at) + REPETITION_BITS + lengthBits;
      for (let end = at + 2; end <= at + loosely; end += 1) {
        const capitals = end <= at + exactly ? 0 : caseBits[end]! - caseBits[at]!;
        descriptions.reach(end, STRETCH, REPETITION, repetitionBits + capitals);
      }
    }

    const continued = longestSequence(written, at);
    for (let end = at + 2; end <= at + continued; end += 1) {
      descriptions.reach(end, STRETCH, SEQUENCE, STRIDE_BITS + lengthBits);
    }
  }
  return ALPHABET_BITS + descriptions.shortest();
}

/** The fewest bits that describe a text up to each position, by the description of the previous character. */
class ShortestDescriptions {
  readonly #best: Float64Array;
  /** For each choice of how the next characters are described: the fewest bits up to the current position, with those of the choice. */
  readonly #bitsByChoice = new Float64Array(CHOICES);
  #furthest = 0;

  constructor(private readonly length: number) {
    this.#best = new Float64Array(PREVIOUS_KINDS * (length + 1)).fill(Infinity);
    this.#best[STRETCH] = 0;
  }

  /** Makes a position the current one. `false` when every description that reaches it or passes it has `MIN_SECRET_BITS` already. */
  moveTo(at: number): boolean {
    const best = this.#best;
    let shortest = Infinity;
    for (
      let place = PREVIOUS_KINDS * at;
      place < PREVIOUS_KINDS * (this.#furthest + 1);
      place += 1
    ) {
      shortest = Math.min(shortest, best[place]!);
    }
    if (shortest >= MIN_SECRET_BITS) return false;
    for (let choice = 0; choice < CHOICES; choice += 1) {
      let bits = Infinity;
      for (let before = 0; before < PREVIOUS_KINDS; before += 1) {
        bits = Math.min(
          bits,
          best[PREVIOUS_KINDS * at + before]! + CHOICE_BITS[CHOICES * before + choice]!,
        );
      }
      this.#bitsByChoice[choice] = bits;
    }
    return true;
  }

  /** Records a description from the current position to `end`, if it is the shortest so far. */
  reach(end: number, kind: PreviousKind, choice: number, bits: number): void {
    const target = PREVIOUS_KINDS * end + kind;
    const sum = this.#bitsByChoice[choice]! + bits;
    if (sum < this.#best[target]!) this.#best[target] = sum;
    if (end > this.#furthest) this.#furthest = end;
  }

  shortest(): number {
    return Math.min(...this.#best.subarray(PREVIOUS_KINDS * this.length));
  }
}

const isUpper = (code: number): boolean => code >= 65 && code <= 90;
const isLower = (code: number): boolean => code >= 97 && code <= 122;

/**
 * The bits that describe which letters before each position are capitals. A case that often followed the case of the previous
 * letter in this text so far takes fewer bits.
 */
function bitsOfCase(text: string): Float64Array {
  const sums = new Float64Array(text.length + 1);
  const counts = new Float64Array(6).fill(0.5);
  let before = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const upper = isUpper(code);
    let bits = 0;
    if (upper || isLower(code)) {
      const lowers = counts[2 * before]!;
      const uppers = counts[2 * before + 1]!;
      bits = -Math.log2((upper ? uppers : lowers) / (lowers + uppers));
      counts[2 * before + (upper ? 1 : 0)]! += 1;
      before = upper ? 2 : 1;
    } else {
      before = 0;
    }
    sums[at + 1] = sums[at]! + bits;
  }
  return sums;
}

function bitsOfCapitals(word: string): number {
  const lower = word.toLowerCase();
  if (word === lower) return LOWER_BITS;
  if (word === word.toUpperCase()) return UPPER_BITS;
  if (word.slice(1) === lower.slice(1)) return FIRST_UPPER_BITS;
  return word.slice(0, -1) === lower.slice(0, -1) ? LAST_UPPER_BITS : MIXED_BITS + word.length;
}

/** For each position the previous position of the same character, or -1. */
function previousPlaces(text: string): Int16Array {
  const last = new Int16Array(256).fill(-1);
  const links = new Int16Array(text.length);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    links[at] = last[code]!;
    last[code] = at;
  }
  return links;
}

/** The length of the longest repetition of earlier characters from the position on, forwards or backwards. */
function longestRepetition(text: string, links: Int16Array, at: number): number {
  let longest = 0;
  for (let from = links[at]!; from >= 0; from = links[from]!) {
    let forwards = 0;
    while (
      at + forwards < text.length &&
      text.charCodeAt(from + forwards) === text.charCodeAt(at + forwards)
    ) {
      forwards += 1;
    }
    let backwards = 0;
    while (
      at + backwards < text.length &&
      backwards <= from &&
      text.charCodeAt(from - backwards) === text.charCodeAt(at + backwards)
    ) {
      backwards += 1;
    }
    longest = Math.max(longest, forwards, backwards);
  }
  return longest;
}

/** The length of the longest arithmetic sequence that the characters from the position on continue. */
function longestSequence(text: string, at: number): number {
  let longest = 0;
  for (let stride = 1; stride <= MAX_STRIDE && 2 * stride <= at; stride += 1) {
    let long = 0;
    while (at + long < text.length) {
      const one = text.charCodeAt(at + long - stride);
      const step = one - text.charCodeAt(at + long - 2 * stride);
      if (text.charCodeAt(at + long) !== stepped(one, step)) break;
      long += 1;
    }
    longest = Math.max(longest, long);
  }
  return longest;
}

/** The next element of a sequence. "0" follows "9", "a" follows "z", and byte 0 follows byte 255. */
function stepped(code: number, step: number): number {
  if (code >= 48 && code <= 57) return stepWithinRange(code, step, 48, 10);
  if (isLower(code)) return stepWithinRange(code, step, 97, 26);
  if (isUpper(code)) return stepWithinRange(code, step, 65, 26);
  return (code + step) & 0xff;
}

function stepWithinRange(code: number, step: number, first: number, count: number): number {
  return first + ((((code - first + step) % count) + count) % count);
}
