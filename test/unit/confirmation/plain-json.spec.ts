import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';

import { canonicalJson } from '../../../lib/confirmation/model/plain-json.js';
import { TwoFactorInputError } from '../../../lib/errors/index.js';

const MAX = 16_384;

function canonical(value: unknown, maxBytes = MAX): string {
  return canonicalJson('meta', value, maxBytes);
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { value };
  return value;
}

/** Whether a number is equal to another one that is written in another way. */
const isInexact = (value: unknown): boolean =>
  typeof value === 'number' &&
  (Object.is(value, -0) || (Number.isInteger(value) && !Number.isSafeInteger(value)));

/** Plain JSON, with 0 for each number that is equal to another one. */
const json = fc
  .jsonValue({ maxDepth: 6, stringUnit: 'grapheme' })
  .map((value) => {
    const exact = (_: string, member: unknown): unknown => (isInexact(member) ? 0 : member);
    return JSON.parse(JSON.stringify(value), exact) as unknown;
  })
  .filter((value) => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(value)));

class Money {
  constructor(readonly amount = 10) {}
}

describe('canonical JSON', () => {
  it('reads back as exactly what was given', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonical(value, 1_000_000))).toStrictEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it('is the canonical JSON of what it reads back as', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonical(value, 1_000_000);
        expect(canonical(JSON.parse(text), 1_000_000)).toBe(text);
      }),
    );
  });

  it('does not depend on the order of members, at any level', () => {
    const one = { b: { d: 1, c: [{ f: 1, e: 2 }] }, a: null };
    const other = { a: null, b: { c: [{ e: 2, f: 1 }], d: 1 } };
    expect(canonical(one)).toBe('{"a":null,"b":{"c":[{"e":2,"f":1}],"d":1}}');
    expect(canonical(other)).toBe(canonical(one));
  });

  it('sorts members by their UTF-16 units, wherever they were made', () => {
    expect(canonical({ é: 1, z: 2, Z: 3, 10: 4, 9: 5, '': 6 })).toBe(
      '{"":6,"10":4,"9":5,"Z":3,"z":2,"é":1}',
    );
  });

  it('keeps the order of lists', () => {
    expect(canonical([3, 1, 2])).toBe('[3,1,2]');
    expect(canonical([3, 1, 2])).not.toBe(canonical([1, 2, 3]));
  });

  it.each<[unknown, string]>([
    [null, 'null'],
    [true, 'true'],
    ['', '""'],
    [0, '0'],
    [-1.5e-7, '-1.5e-7'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ['a"\\\n\u2028<é😀', JSON.stringify('a"\\\n\u2028<é😀')],
    [[], '[]'],
    [{}, '{}'],
    [Object.assign(Object.create(null) as object, { a: 1 }), '{"a":1}'],
    [Object.freeze({ a: Object.freeze([1]) }), '{"a":[1]}'],
  ])('writes %j', (value, text) => {
    expect(canonical(value)).toBe(text);
  });

  it('drops absent optional members, and nothing else', () => {
    expect(canonical({ a: undefined, b: null, c: '', d: 0, e: false })).toBe(
      '{"b":null,"c":"","d":0,"e":false}',
    );
    expect(canonical({ a: undefined })).toBe(canonical({}));
  });

  it.each<[string, unknown]>([
    ['undefined itself', undefined],
    ['undefined in a list', [1, undefined]],
    ['a list with a hole', Object.assign([], { 1: 'x' })],
    ['a list that is only long', Object.assign([], { length: 10_000_000 })],
    ['NaN', { amount: Number.NaN }],
    ['Infinity', [Infinity]],
    ['-Infinity', -Infinity],
    ['a bigint', { amount: 10n }],
    ['a symbol', { amount: Symbol('10') }],
    ['a function', { amount: () => 10 }],
    ['a Date', { at: new Date(0) }],
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a RegExp', /a/],
    ['a Buffer', Buffer.from('a')],
    ['a typed array', new Uint8Array(2)],
    ['a Promise', Promise.resolve(1)],
    ['an Error', new Error('a')],
    ['an instance of a class', new Money()],
    ['an object with another prototype', Object.create({ amount: 10 })],
    ['a boxed number', Object(10)],
    ['a boxed string', { name: Object('Ann') }],
    ['half a surrogate pair', '\ud800'],
    ['half a surrogate pair as a name', { '\udc00': 1 }],
    ['the member __proto__', JSON.parse('{"__proto__":{"polluted":true}}')],
    ['the member __proto__, deep down', JSON.parse('[{"a":{"__proto__":1}}]')],
    ['the member constructor', { constructor: { prototype: { polluted: true } } }],
    ['the member prototype', { prototype: 1 }],
    ['200 levels', nested(200)],
    ['33 levels', nested(33)],
    ['100,000 levels', nested(100_000)],
    ['1 MB of text', 'x'.repeat(1_000_000)],
    ['1 MB as a name', { ['x'.repeat(1_000_000)]: 1 }],
    ['a million numbers', Array.from({ length: 1_000_000 }, () => 1)],
  ])('refuses %s', (_, value) => {
    expect(() => canonical(value)).toThrow(TwoFactorInputError);
    expect(() => canonical({ deeper: value === undefined ? [value] : value })).toThrow(
      TwoFactorInputError,
    );
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  it.each<[string, unknown, string]>([
    ['-0', -0, 'contains -0, which is the same as 0'],
    ['-0 of a body', JSON.parse('{"amount":-0.0}'), 'contains -0, which is the same as 0'],
    [
      '2^53',
      2 ** 53,
      'contains a whole number beyond 2^53 - 1, which is the same as its neighbours',
    ],
    [
      'a whole number of a body that is read as another one',
      JSON.parse('{"amount":9007199254740993}'),
      'contains a whole number beyond 2^53 - 1, which is the same as its neighbours',
    ],
    ['-2^53', [-(2 ** 53)], 'contains a whole number beyond 2^53 - 1'],
    ['10^300', { a: { b: [1e300] } }, 'contains a whole number beyond 2^53 - 1'],
  ])(
    'refuses %s, which is equal to another number, and says to give a string',
    (_, value, what) => {
      for (const kind of ['details', 'meta', 'context']) {
        expect(() => canonicalJson(kind, value, MAX)).toThrow(TwoFactorInputError);
        expect(() => canonicalJson(kind, value, MAX)).toThrow(`${kind} ${what}`);
        expect(() => canonicalJson(kind, value, MAX)).toThrow(/ Give it as a string\.$/);
      }
    },
  );

  it('accepts the largest exact integers, fractions, and inexact numbers as strings', () => {
    const numbers = [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 0.1, -1e-300, 2 ** 52 + 0.5];
    expect(JSON.parse(canonical(numbers))).toStrictEqual(numbers);
    expect(canonical(['9007199254740993', '-0'])).toBe('["9007199254740993","-0"]');
  });

  it('takes 32 levels', () => {
    expect(JSON.parse(canonical(nested(32)))).toEqual(nested(32));
  });

  it('refuses what contains itself', () => {
    const cyclic: Record<string, unknown> = { a: 1 };
    cyclic['self'] = cyclic;
    expect(() => canonical(cyclic)).toThrow(TwoFactorInputError);
    const list: unknown[] = [];
    list.push(list, list);
    expect(() => canonical(list)).toThrow(TwoFactorInputError);
  });

  it('refuses quickly what grows too large because it repeats one object', () => {
    let looks = 0;
    let bomb: unknown = new Proxy(['x'], {
      get: (target, name) => {
        looks += 1;
        if (looks > 1_000_000) throw new Error('It is looked at too often.');
        return Reflect.get(target, name) as unknown;
      },
    });
    // Written out, it has the object 2^30 times.
    for (let level = 0; level < 30; level += 1) bomb = [bomb, bomb];
    expect(() => canonical(bomb)).toThrow(TwoFactorInputError);
    expect(looks).toBeGreaterThan(0);
  });

  it('never calls toJSON, an accessor or toString', () => {
    const spy = vi.fn<() => number>(() => 1);
    const values = [
      { toJSON: spy },
      {
        get amount() {
          return spy();
        },
      },
      Object.defineProperty({}, 'amount', { get: spy, enumerable: false }),
      { amount: { toString: spy, valueOf: spy, [Symbol.toPrimitive]: spy } },
    ];
    for (const value of values) expect(() => canonical(value)).toThrow(TwoFactorInputError);
    expect(spy).not.toHaveBeenCalled();
  });

  it('counts bytes, not characters', () => {
    expect(canonical('é'.repeat(7), 16)).toHaveLength(9);
    expect(() => canonical('é'.repeat(8), 16)).toThrow(TwoFactorInputError);
    expect(canonical('x'.repeat(14), 16)).toHaveLength(16);
    expect(() => canonical('x'.repeat(15), 16)).toThrow(TwoFactorInputError);
    // Escaped, each of them takes six.
    expect(() => canonical('\u0001'.repeat(10), 32)).toThrow(TwoFactorInputError);
  });

  it('names what is wrong and where, and quotes no value', () => {
    expect(() => canonical({ pin: 1n })).toThrow('meta is not plain JSON: it contains a bigint.');
    expect(() => canonical(nested(40))).toThrow(
      'meta is not plain JSON: it contains more than 32 levels.',
    );
    expect(() => canonical('x'.repeat(20_000))).toThrow(
      'meta is too large. Keep it elsewhere and give its id.',
    );
  });

  it('refuses anything else, and always by the same error', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withSparseArray: true,
          withTypedArray: true,
          withNullPrototype: true,
        }),
        (value) => {
          let text: string;
          try {
            text = canonical(value);
          } catch (error) {
            if (error instanceof TwoFactorInputError) return;
            throw error;
          }
          // What is taken is JSON, and lists lose nothing.
          expect(canonical(JSON.parse(text))).toBe(text);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('looks at no member when there are more of them than may be', () => {
    const many = Object.fromEntries(Array.from({ length: MAX + 1 }, (_, index) => [index, 1]));
    let looks = 0;
    const watched = new Proxy(many, {
      getOwnPropertyDescriptor: (target, name) => {
        looks += 1;
        return Reflect.getOwnPropertyDescriptor(target, name);
      },
    });
    expect(() => canonical(watched)).toThrow('meta is too large.');
    expect(looks).toBe(0);
  });
});
