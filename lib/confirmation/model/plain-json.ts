import { TwoFactorInputError } from '../../errors/index.js';
import { isOneLine, ONE_LINE_RULE } from '../../options/index.js';

export type { JsonValue } from '../../options/index.js';

const MAX_DEPTH = 32;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * The canonical JSON of a plain value: members sorted by name, nothing dropped, nothing converted. It is stored, and
 * details are compared by it, so that a value that would read back as another one is refused.
 *
 * @throws TwoFactorInputError for anything but plain JSON, for 32 levels, for more than `maxBytes`.
 */
export function canonicalJson(what: string, value: unknown, maxBytes: number): string {
  const remaining = { characters: maxBytes };
  const text = write(what, value, 0, remaining);
  if (Buffer.byteLength(text) > maxBytes) throw tooLarge(what);
  return text;
}

function tooLarge(what: string): TwoFactorInputError {
  return new TwoFactorInputError(`${what} is too large. Keep it elsewhere and give its id.`);
}

function refuse(what: string, found: string): TwoFactorInputError {
  return new TwoFactorInputError(`${what} is not plain JSON: it contains ${found}.`);
}

/**
 * Refuses numbers that are written or read like others, so that a proof of one amount would be one of another: -0 is
 * written as 0, and beyond 2^53 neighbours are the same double.
 */
function assertExact(what: string, value: number): void {
  if (!Number.isFinite(value)) throw refuse(what, 'a number that is not finite');
  if (Object.is(value, -0)) throw inexact(what, '-0, which is the same as 0');
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw inexact(what, 'a whole number beyond 2^53 - 1, which is the same as its neighbours');
  }
}

function inexact(what: string, found: string): TwoFactorInputError {
  return new TwoFactorInputError(`${what} contains ${found}. Give it as a string.`);
}

function write(
  what: string,
  value: unknown,
  depth: number,
  remaining: { characters: number },
): string {
  if (depth > MAX_DEPTH) throw refuse(what, `more than ${MAX_DEPTH} levels`);
  // Every value takes at least one character, so that a huge or cyclic value ends here before it fills the memory.
  remaining.characters -= typeof value === 'string' ? value.length + 1 : 1;
  if (remaining.characters < 0) throw tooLarge(what);
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw refuse(what, 'half a surrogate pair');
      return JSON.stringify(value);
    case 'boolean':
      return String(value);
    case 'number':
      assertExact(what, value);
      return JSON.stringify(value);
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value)
        ? writeArray(what, value, depth, remaining)
        : writeObject(what, value, depth, remaining);
    default:
      throw refuse(what, `a ${typeof value}`);
  }
}

function writeArray(
  what: string,
  value: readonly unknown[],
  depth: number,
  remaining: { characters: number },
): string {
  if (value.length > remaining.characters) throw tooLarge(what);
  // Not value.map, which skips holes, and which the caller may have replaced.
  const items = Array.from(value, (item) => write(what, item, depth + 1, remaining));
  return `[${items.join(',')}]`;
}

function writeObject(
  what: string,
  value: object,
  depth: number,
  remaining: { characters: number },
): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  // The root prototype of any realm: test runners and `vm` have realms of their own.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refuse(what, 'an instance of a class');
  }
  const names = Object.getOwnPropertyNames(value);
  // Before any member is read: a body of one megabyte may have a hundred thousand members.
  if (names.length > remaining.characters) throw tooLarge(what);
  const members = names.map((key) => {
    if (FORBIDDEN_KEYS.has(key)) throw refuse(what, `the member ${key}`);
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property === undefined || !('value' in property)) throw refuse(what, 'an accessor');
    return [key, property.value as unknown] as const;
  });
  members.sort(([one], [other]) => (one < other ? -1 : 1));
  const written = members
    // A member that is `undefined` is left out, as by `JSON.stringify`; every other value must be plain JSON.
    .filter(([, member]) => member !== undefined)
    .map(
      ([key, member]) =>
        `${JSON.stringify(key)}:${write(what, member, depth + 1, spendCharacters(what, key, remaining))}`,
    );
  return `{${written.join(',')}}`;
}

function spendCharacters(
  what: string,
  key: string,
  remaining: { characters: number },
): { characters: number } {
  if (!key.isWellFormed()) throw refuse(what, 'half a surrogate pair');
  remaining.characters -= key.length;
  return remaining;
}

/**
 * Refuses details that could forge a line of a message, because senders print them.
 *
 * @param json a JSON text.
 * @throws TwoFactorInputError for a text or a name that is not one plain line.
 */
export function assertOneLineTexts(what: string, json: string): void {
  JSON.parse(json, (name, value: unknown) => {
    if (isOneLine(name) && (typeof value !== 'string' || isOneLine(value))) return value;
    throw new TwoFactorInputError(
      `${what} stand in messages, and have a text or a name that is not ${ONE_LINE_RULE}.`,
    );
  });
}

/** The value of a JSON text, deeply frozen. */
export function parseFrozen(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) =>
    typeof value === 'object' && value !== null ? Object.freeze(value) : value,
  );
}
