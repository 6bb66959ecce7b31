import { assert, jsonValue, oneof, pre, property, string, tuple, type Arbitrary } from 'fast-check';
import { getMetadataArgsStorage } from 'typeorm';
import { describe, expect, it } from 'vitest';

import {
  jsonInColumn,
  subjectColumn,
  subjectFromColumn,
  subjectInColumn,
} from '../../../lib/confirmation/model/ascii-columns.js';
import { parseSubject } from '../../../lib/confirmation/model/binding.js';
import { ConfirmationRecord, TwoFactorInputError } from '../../../lib/index.js';

// oxlint-disable-next-line no-control-regex
const ASCII = /^[\u0000-\u007f]*$/;
/** Any text, also with halves of surrogate pairs. */
const anyText = (): Arbitrary<string> => string({ unit: 'binary', maxLength: 60 });

describe('The column of a subject', () => {
  it('stores any subject as ASCII text, and reads it back unchanged', () => {
    assert(
      property(anyText(), (subject) => {
        const column = subjectInColumn(subject);
        expect(column).toMatch(ASCII);
        if (subject.isWellFormed()) expect(subjectFromColumn(column)).toBe(subject);
      }),
    );
  });

  it('stores no two subjects as the same text', () => {
    // The forms of the first are given again as the second: an encoded text is a subject, too.
    const pairs = tuple(anyText(), oneof(anyText(), anyText().map(subjectInColumn)));
    assert(
      property(pairs, ([one, other]) => {
        pre(one !== other && one.isWellFormed());
        expect(subjectInColumn(one)).not.toBe(subjectInColumn(other));
      }),
    );
    expect(subjectInColumn('utf8:Wm_Dqw')).not.toBe(subjectInColumn('Zoë'));
    // Node writes U+FFFD for half a surrogate pair.
    expect(subjectInColumn('\ud83d')).not.toBe(subjectInColumn('\ufffd'));
  });

  it('stores an ASCII subject as it is, which takes no more room', () => {
    for (const subject of ['', 'ann', String.raw`DOM\ann`, 'a'.repeat(255), '~ \u0000\u007f']) {
      expect(subjectInColumn(subject)).toBe(subject);
    }
  });

  it.each(['a', 'é', '转', '😀'])(
    'has room for the longest accepted subject of the character %s',
    (unit) => {
      const { options } = getMetadataArgsStorage().columns.find(
        ({ target, propertyName }) => target === ConfirmationRecord && propertyName === 'subject',
      )!;
      const longest = unit.repeat(255 / unit.length);
      expect(subjectInColumn(parseSubject(longest)).length).toBeLessThanOrEqual(
        Number(options.length),
      );
      expect(() => parseSubject(longest + unit)).toThrow(TwoFactorInputError);
    },
  );
});

describe('The transformer of the column', () => {
  it('leaves null and undefined as they are, for members that an entity omits or a query does not select', () => {
    for (const absent of [undefined, null]) {
      expect(subjectColumn.to(absent)).toBe(absent);
      expect(subjectColumn.from(absent)).toBe(absent);
    }
    expect(subjectColumn.from(subjectColumn.to('Zoë'))).toBe('Zoë');
  });
});

describe('The column of JSON details', () => {
  it('stores any JSON value as ASCII text that parses to the same value', () => {
    assert(
      property(jsonValue(), anyText(), (value, text) => {
        const json = JSON.stringify({ value, [text]: text });
        const column = jsonInColumn(json)!;
        expect(column).toMatch(ASCII);
        expect(JSON.parse(column)).toEqual(JSON.parse(json));
      }),
    );
  });

  it('stores ASCII JSON as it is', () => {
    expect(jsonInColumn(null)).toBeNull();
    const json = JSON.stringify({ amount: '10.00', payee: 'Bob "B" \n\\', n: [1, null] });
    expect(jsonInColumn(json)).toBe(json);
  });
});
