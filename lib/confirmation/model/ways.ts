import { TwoFactorInputError } from '../../errors/index.js';
import { isName, NAME_RULE } from '../../options/index.js';

/**
 * The senders by one of which a code must have gone out to be a proof; `null` for any. The senders that a call names narrow
 * those that the purpose declares, and never widen them.
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

/** Whether the code of a confirmation went out by one of the ways; a code that was never sent went out by none. */
export function isByWay(way: string, ways: readonly string[] | null): boolean {
  return ways === null || (way !== '' && ways.includes(way));
}

/** The ways as a value of the statements: `,sms,email,`. */
export function waysValue(ways: readonly string[] | null): string | null {
  return ways === null ? null : `,${ways.join(',')},`;
}
