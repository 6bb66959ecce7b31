import { COMMON_WORDS, KNOWN_SEQUENCES, PUBLISHED_TEXTS } from './known-text.js';

const CODE_OF_A = 97;
const LETTERS = 26;
/** The symbol before the first letter of a word and after its last one. */
const BOUNDARY = LETTERS;
const SYMBOLS = LETTERS + 1;
/** Characters between words. */
const BETWEEN_WORDS = '-_.';
/** The count of a pair of letters that no common word has, so that its probability is not zero. */
const UNSEEN_PAIR_COUNT = 0.2;
/** Added to the ranks, because the first words of the list are not as much likelier as Zipf's law states. */
const ZIPF_RANK_OFFSET = 20;
/** The share of words that are written backwards. */
const BACKWARDS_SHARE = 0.1;
/** The fewest characters of a stretch of known text. */
export const SHORTEST_KNOWN = 4;
export const LONGEST_KNOWN = SHORTEST_KNOWN + 15;
const HASHES = 1 << 14;
const NO_WORDS: readonly CommonWord[] = [];

/** A word of `COMMON_WORDS` and the bits that select it. */
export interface CommonWord {
  readonly word: string;
  readonly bits: number;
}

/** The statistics of written texts for `secret-strength.ts`, in lower case. */
export interface SecretModel {
  /** The common words, forwards and backwards, that begin with the two characters at the position. */
  wordsFrom(text: string, at: number): readonly CommonWord[];
  /** The bits that select the position of a stretch in the known text. */
  readonly placeBits: number;
  /** The length of the longest stretch from the position on that the known text contains: 0, or 4 to 19. */
  longestKnown(text: string, at: number): number;
  /** The bits of a letter, a hyphen, a dot or an underscore after the previous character; infinite for all others. */
  bitsAfter(before: number, code: number): number;
}

export function isWordSeparator(character: string): boolean {
  return character !== '' && BETWEEN_WORDS.includes(character);
}

export const BETWEEN_WORDS_BITS = Math.log2(BETWEEN_WORDS.length);

export function newSecretModel(): SecretModel {
  const words = COMMON_WORDS.trim().split(/\s+/);
  const forwards = [...KNOWN_SEQUENCES, ...PUBLISHED_TEXTS].join('\n').toLowerCase();
  const known = `${forwards}\n${Array.from(forwards).toReversed().join('')}`;
  const hashes = new Uint8Array(HASHES);
  for (let at = 0; at + SHORTEST_KNOWN <= known.length; at += 1) hashes[hashAt(known, at)] = 1;
  const follows = bitsOfNextLetters(words);
  const beginnings = byBeginning(words);
  return {
    wordsFrom: (text, at) => beginnings[beginningAt(text, at)] ?? NO_WORDS,
    placeBits: Math.log2(known.length),
    longestKnown: (text, at) =>
      at + SHORTEST_KNOWN <= text.length && hashes[hashAt(text, at)] === 1
        ? longestOf(known, text, at)
        : 0,
    bitsAfter: (before, code) => {
      const row = SYMBOLS * symbolOf(before);
      if (symbolOf(code) !== BOUNDARY) return follows[row + symbolOf(code)]!;
      return isWordSeparator(String.fromCharCode(code))
        ? follows[row + BOUNDARY]! + BETWEEN_WORDS_BITS
        : Number.POSITIVE_INFINITY;
    },
  };
}

/**
 * The common words by their first two letters, each with the bits that select it. By Zipf's law the frequency of a word falls
 * with its rank. All frequencies add up to 1.
 */
function byBeginning(words: readonly string[]): readonly CommonWord[][] {
  const shares = words.map((_, rank) => 1 / (rank + ZIPF_RANK_OFFSET));
  const sum = shares.reduce((one, other) => one + other, 0);
  const found: CommonWord[][] = Array.from({ length: SYMBOLS * SYMBOLS }, () => []);
  words.forEach((word, rank) => {
    const bits = -Math.log2(shares[rank]! / sum);
    const backwards = Array.from(word).toReversed().join('');
    found[beginningAt(word, 0)]!.push({ word, bits: bits - Math.log2(1 - BACKWARDS_SHARE) });
    found[beginningAt(backwards, 0)]!.push({
      word: backwards,
      bits: bits - Math.log2(BACKWARDS_SHARE),
    });
  });
  return found;
}

function beginningAt(text: string, at: number): number {
  return at + 1 < text.length
    ? SYMBOLS * symbolOf(text.charCodeAt(at)) + symbolOf(text.charCodeAt(at + 1))
    : -1;
}

/** `[27 * one + other]`: the bits of a letter, or of the end of a word, after another. The shares of a row add up to 1. */
function bitsOfNextLetters(words: readonly string[]): Float64Array {
  const counts = new Float64Array(SYMBOLS * SYMBOLS).fill(UNSEEN_PAIR_COUNT);
  for (const word of words) {
    let before = BOUNDARY;
    for (let at = 0; at <= word.length; at += 1) {
      const symbol = at < word.length ? symbolOf(word.charCodeAt(at)) : BOUNDARY;
      counts[SYMBOLS * before + symbol]! += 1;
      before = symbol;
    }
  }
  const bits = new Float64Array(counts.length);
  for (let row = 0; row < counts.length; row += SYMBOLS) {
    let sum = 0;
    for (let at = row; at < row + SYMBOLS; at += 1) sum += counts[at]!;
    for (let at = row; at < row + SYMBOLS; at += 1) bits[at] = -Math.log2(counts[at]! / sum);
  }
  return bits;
}

function symbolOf(code: number): number {
  return code >= CODE_OF_A && code < CODE_OF_A + LETTERS ? code - CODE_OF_A : BOUNDARY;
}

function hashAt(text: string, at: number): number {
  let hash = 0;
  for (let next = 0; next < SHORTEST_KNOWN; next += 1) {
    hash = Math.imul(hash, 31) + text.charCodeAt(at + next) * 7;
  }
  return hash & (HASHES - 1);
}

function longestOf(known: string, text: string, at: number): number {
  const beginning = text.slice(at, at + SHORTEST_KNOWN);
  let longest = 0;
  for (
    let place = known.indexOf(beginning);
    place >= 0;
    place = known.indexOf(beginning, place + 1)
  ) {
    let long = SHORTEST_KNOWN;
    while (
      long < LONGEST_KNOWN &&
      at + long < text.length &&
      known.charCodeAt(place + long) === text.charCodeAt(at + long)
    ) {
      long += 1;
    }
    longest = Math.max(longest, long);
  }
  return longest;
}
