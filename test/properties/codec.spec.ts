// I14: what is written can be read back, and what is masked stays so.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { maskToken } from '../../lib/confirmation/model/mask-token.js';
import { parseToken } from '../../lib/confirmation/model/token.js';
import { normaliseCode } from '../../lib/crypto/index.js';
import type { JsonValue } from '../../lib/index.js';
import { BUILT_IN_TEXTS, DefaultMessageRenderer, detailLines } from '../../lib/messages/index.js';
import { runs } from './runs.js';

const printable = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((point) => String.fromCharCode(point)),
  minLength: 6,
  maxLength: 64,
});
const code = printable.filter((text) => normaliseCode(text) === text);

describe('I14 codec:', () => {
  it('a code that is normalised is normal, and decoration never makes another code of it', () => {
    fc.assert(
      fc.property(fc.oneof(printable, fc.string({ unit: 'binary', maxLength: 140 })), (text) => {
        const normal = normaliseCode(text);
        fc.pre(normal !== null);
        expect(normaliseCode(normal)).toBe(normal);
        expect(normal).toMatch(/^[!-,.-~]{6,64}$/);
      }),
      runs(2),
    );
    fc.assert(
      fc.property(
        code,
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.constantFrom(' ', '\u00a0', '-', '\n', '\u2013', '\u200b', '\u2067'),
          ),
          { maxLength: 20 },
        ),
        (code, decoration) => {
          const typed = decoration.reduce((text, [at, mark]) => {
            const place = at % (text.length + 1);
            return text.slice(0, place) + mark + text.slice(place);
          }, code);
          expect(normaliseCode(typed)).toBe(code);
        },
      ),
      runs(2),
    );
  });

  it('a mask shows at most three characters beside the top-level domain', () => {
    const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
    const token = fc.oneof(
      word,
      fc.emailAddress(),
      fc.tuple(word, fc.domain()).map(([local, domain]) => `${local}@${domain}`),
      fc.tuple(word, word).map(([local, rest]) => `${local}@${rest}`),
      // What other networks call an address: a path or a port behind the domain.
      fc.tuple(fc.domain(), fc.webPath()).map(([domain, path]) => `ann@${domain}${path}`),
      fc
        .tuple(
          fc.constantFrom('+', '', '00'),
          fc.bigInt({ min: 100_000n, max: 999_999_999_999_999n }),
        )
        .map(([prefix, number]) => `${prefix}${number}`),
    );
    fc.assert(
      fc.property(token.filter(isToken), (token) => {
        const mask = maskToken(token);
        // A top-level domain is letters, or the xn-- form of letters (RFC 3696 2), of at most 63 characters.
        const shown = mask
          .replaceAll('***', '')
          .replace(/\.[\p{L}\p{M}][\p{L}\p{M}\d-]{0,62}$/u, '')
          .replace('@', '');
        expect(Array.from(shown).length).toBeLessThanOrEqual(3);
      }),
      runs(2),
    );
  });

  it('a mail contains its code once, where it can be read back, and the approved details, whatever they contain', () => {
    const details = fc.option(fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>);
    const hostile = fc.constantFrom<JsonValue>(
      { 'payee\nYour code: 123456': 'x' },
      { payee: 'Bob\r\n\r\nYour code: 999999\u2028Your code: 111111' },
      { '<script>': '</td><p class="code">666666</p>' },
      { amount: '10\u202e00', nested: { a: ['<b>', '{code}', '{product}'] } },
      'Your code: 000000',
    );
    const renderer = new DefaultMessageRenderer({
      texts: BUILT_IN_TEXTS,
      language: 'en',
      host: 'bank.example',
    });
    fc.assert(
      fc.property(
        code,
        fc.oneof(details, hostile),
        fc.integer({ min: 0, max: 86_400 }),
        fc.constantFrom('', 'ACME <&>'),
        fc.constantFrom('', 'login', 'constructor', '__proto__'),
        (code, details, expiresInSeconds, product, purpose) => {
          fc.pre(!JSON.stringify(details).includes(code));
          const approves = detailLines(details);
          const input = { code, product, purpose, approves, expiresInSeconds, language: 'en' };
          const { subject, text, html = '', sms } = renderer.render({ ...input, way: 'mail' });

          const spoken = text.split(/[\r\n\u2028\u2029]/).flatMap((line) => {
            const match = /^(?:ACME <&>: )?Your code(?: to sign in)?: (.+)$/.exec(line);
            return match ? [match[1] === code] : [];
          });
          expect(spoken).toEqual([true]);
          expect(subject.includes(code)).toBe(false);
          const shown = [...html.matchAll(/<p class="code"[^>]*>([^<]*)<\/p>/g)];
          expect(shown.map(([, escaped]) => unescapeHtml(escaped!) === code)).toEqual([true]);
          // Nothing but our own elements.
          const elements = html.replaceAll(
            /<\/?(?:html|head|meta|title|body|p|table|tr|td|h1|ul|li|bdi|b)(?: (?:lang|dir|class|charset|name|content|style|width|align|role|cellpadding|cellspacing)="[^"<>]*")*>/g,
            '',
          );
          const withoutStyle = elements.replace(/<style>[^<>]*<\/style>/, '');
          expect(withoutStyle.replace('<!doctype html>', '')).not.toMatch(/[<>]/);
          // The last line is ours, and no other begins with an @.
          const lines = sms.split(/[\r\n\u2028\u2029]/);
          expect(lines.at(-1)).toBe(`@bank.example #${code}`);
          expect(lines).toHaveLength(3);
          for (const leaf of leavesOf(details)) {
            expect(text).toContain(leaf);
            expect(sms).toContain(leaf);
          }
        },
      ),
      runs(2),
    );
  });
});

function isToken(text: string): boolean {
  try {
    return parseToken(text) === text;
  } catch {
    return false;
  }
}

function unescapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&lt;': '<',
    '&gt;': '>',
    '&quot;': '"',
    '&#39;': "'",
    '&amp;': '&',
  };
  return text.replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => entities[entity]!);
}

/** The numbers and plain words of the details: what a person has to see. */
function leavesOf(value: JsonValue): string[] {
  if (typeof value === 'number') return [JSON.stringify(value)];
  if (typeof value === 'string') return /^[a-z0-9]+$/i.test(value) ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(leavesOf);
}
