import { TwoFactorInputError } from '../../errors/index.js';
import { isName, NAME_RULE } from '../../options/index.js';

/**
 * The senders (`ways`) by one of which a code must have been sent to be a proof; `null` for any. The senders that a call names
 * narrow those that the purpose declares, and never widen them.
 *
 * @throws TwoFactorInputError for anything but a list of names.
 */
export function allowedSenders(
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

/** Whether the sender of a code, empty for a code that was never sent, is one of the allowed senders; `null` allows any. */
export function isAllowedSender(way: string, ways: readonly string[] | null): boolean {
  return ways === null || (way !== '' && ways.includes(way));
}

/** A list of names as a value of the statements, such as `,sms,email,`. */
export function commaList(names: readonly string[] | null): string | null {
  return names === null ? null : `,${names.join(',')},`;
}
