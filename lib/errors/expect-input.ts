import { TwoFactorInputError } from './two-factor-input.error.js';

/** A member that a programmer wrote. Any other name may be a user's text, and is not repeated. */
const MEMBER = /^[a-zA-Z_]\w{0,63}$/;

/** The names of an input's members. Its type fails to compile until each member of the interface is listed. */
export function inputMembers<T>(names: Readonly<Record<keyof T, true>>): ReadonlySet<string> {
  return new Set(Object.keys(names));
}

/**
 * Refuses what is no object, and a member that the method does not know. A misspelt member would be ignored: `use` with
 * `managr` would use the proof outside of the caller's transaction.
 *
 * @throws TwoFactorInputError
 */
export function expectInput(
  method: string,
  input: unknown,
  known: ReadonlySet<string>,
): asserts input is object {
  if (typeof input !== 'object' || input === null) {
    throw new TwoFactorInputError(`${method} takes an object.`);
  }
  // Creates no array of the names, because every call comes by here.
  for (const name in input) {
    if (known.has(name) || !Object.hasOwn(input, name)) continue;
    const members = [...known].toSorted().join(', ');
    throw new TwoFactorInputError(
      `${method} takes no ${MEMBER.test(name) ? name : 'member of such a name'}. Known: ${members}.`,
    );
  }
}
