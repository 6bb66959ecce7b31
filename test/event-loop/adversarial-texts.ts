/** One text that is meant to be slow to read, and words for it. */
export interface AdversarialText {
  readonly name: string;
  readonly text: string;
}

/** Makes one text of about this length. */
type Family = (length: number) => string;

/** Runs of one of these: what grouping, trimming, numbers, addresses, quotes, URLs and Unicode's forms are made of. */
const RUNS = [
  ...Array.from('-. 01aAxz@%+()"\'\\/_#<{[,;:=&~'),
  '\u00a0',
  '\u00ad',
  // Combining marks, which are sorted; and some that become two.
  '\u0301',
  '\u0344',
  '\u0f71\u0f80',
  // 18 characters in NFKC, and the longest in NFC and NFD.
  '\ufdfa',
  '\u{1d160}',
  '\u1f82',
  // Letters that change their length with their case.
  '\u00df',
  '\u0130',
  '\u1100',
  '\u3002',
  '\u3000',
  '\u5317',
  '\u{1f600}',
  '\u{10ffff}',
  '\ud800',
];

/** Two and more in turn, so that an expression with two ways to go on has to try both everywhere. */
const ALTERNATIONS = [
  '-.',
  '. ',
  ' -',
  '0-',
  '00+',
  'a@',
  '.@',
  'a.',
  'a-',
  '%2',
  '%41',
  '%25',
  'x1',
  'ext',
  ' x',
  ';ext=',
  '""',
  '"\\',
  '[]',
  '()',
  '(0)',
  '[{"a":',
  '</a><a>',
  'aA',
  'a\u0301',
  '\u0301\u0323',
  '\u{1f468}\u200d',
  'a: b; ',
  '=?utf-8?Q?=41?= ',
  '::ffff:',
];

/** A beginning that lets a text pass as something, before its run. */
const BEGINNINGS: Readonly<Record<string, Family>> = {
  'a tel: of hyphens': (length) => `tel:${'-'.repeat(length - 5)}1`,
  'a number in groups': (length) => `+49${' 1-'.repeat((length - 3) / 3)}`,
  'a number with blanks before its extension': (length) =>
    `+4915112345678${' '.repeat(length - 17)}x 1`,
  'a number with an extension of blanks': (length) =>
    `+4915112345678 ext${' '.repeat(length - 19)}1`,
  'an address with dots behind it': (length) => `a@b.example${'.'.repeat(length - 11)}`,
  'an address of hyphens': (length) => `${'-'.repeat(Math.min(length - 10, 64))}@b.example`,
  'an address with many labels': (length) => `a@${'a.'.repeat(length / 2 - 4)}example`,
  'an address with a quoted word': (length) => `"${'a.'.repeat(length / 2 - 6)}"@b.example`,
  'an address with a route': (length) => `<@${'a,@'.repeat(length / 3 - 5)}:a@b.example>`,
  'different characters, for punycode': (length) =>
    `a@${Array.from({ length: length - 2 }, (_, index) => String.fromCodePoint(0x4e00 + ((index * 7_919) % 20_000))).join('')}`,
  'nearly an id': (length) => '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq3'.repeat(length / 35),
  'nearly base64': (length) => `${'QUJD'.repeat(length / 4)}=`,
  'nearly JSON': (length) => `{"a":"${'\\u0061'.repeat(length / 6 - 2)}`,
};

/** What comes last decides whether all that came before was in vain. */
const ENDS = ['', '!'] as const;
/** Texts that are not longer cost so little that each is tried with both ends; of longer ones every other has none. */
const SHORT = 320;

/** Each family as long as it may be, with and without an end that fits nothing. */
export function adversarialTexts(maxLength: number): AdversarialText[] {
  const repeated = [...RUNS, ...ALTERNATIONS].map((unit): readonly [string, Family] => [
    `${JSON.stringify(unit)} again and again`,
    (length) => unit.repeat(length / unit.length),
  ]);
  return [...repeated, ...Object.entries(BEGINNINGS)].flatMap(([name, family], index) =>
    (maxLength <= SHORT ? ENDS : [ENDS[index % ENDS.length]!]).map((end) => {
      const text = family(Math.max(maxLength - end.length, 20)).slice(0, maxLength - end.length);
      return {
        name: `${name}${end && `, then ${end}`}, ${maxLength} characters`,
        // Blanks around a token are refused at once: then the run would not be read.
        text: text.startsWith(' ') || text.endsWith(' ') ? `1${text.slice(2)}1${end}` : text + end,
      };
    }),
  );
}
