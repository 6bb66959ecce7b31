import { TwoFactorInputError } from '../../errors/index.js';
import { isName, NAME_RULE } from '../../options/index.js';

/**
 * The ways by which a code must have gone out so that it proves something; `null` for any. What a call asks for narrows what
 * the purpose declares, and never widens it.
 *
 * @throws TwoFactorInputError for anything but a list of names.
 */
export function allowedWays(
  declared: readonly string[] | undefined,
  asked: unknown,
): readonly string[] | null {
  if (asked === undefined) return declared ?? null;
  if (!Array.isArray(asked) || asked.length === 0 || !asked.every(isName)) {
    throw new TwoFactorInputError(`senders is a list of names of senders, each ${NAME_RULE}.`);
  }
  const ways: readonly string[] = asked;
  return declared === undefined ? ways : ways.filter((way) => declared.includes(way));
}

/** Whether a confirmation came by one of the ways; one that was never sent came by none. */
export function isByWay(way: string, ways: readonly string[] | null): boolean {
  return ways === null || (way !== '' && ways.includes(way));
}

/** Ways as the statements take them: `,sms,email,`. */
export function waysValue(ways: readonly string[] | null): string | null {
  return ways === null ? null : `,${ways.join(',')},`;
}
