import {
  BY_HAND,
  TwoFactorConfigurationError,
  TwoFactorInputError,
  type ConfirmedBy,
  type MethodName,
} from '../../errors/index.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/** The method of a code that was sent, which every application has. */
export const CODE_METHOD = 'code';

/** The methods of a confirmation for which none are named. */
export const CODE_ALONE: readonly MethodName[] = Object.freeze([CODE_METHOD]);
/** The values of `confirmedBy` for which the sender matters: the person typed the sent code, or the application confirmed it by hand. */
const THROUGH_SENDER: readonly ConfirmedBy[] = [CODE_METHOD, BY_HAND];

/** The methods as a column holds them; `null` for a code alone, so that such rows are as they would be without methods. */
export function methodsValue(methods: readonly string[] | null): string | null {
  return methods === null || (methods.length === 1 && methods[0] === CODE_METHOD)
    ? null
    : `,${methods.join(',')},`;
}

/** The methods that may confirm a confirmation, in order of preference. */
export function methodsOf({ methods }: Pick<ConfirmationRow, 'methods'>): readonly MethodName[] {
  return methods === null ? CODE_ALONE : (methods.split(',').filter(Boolean) as MethodName[]);
}

/** Whether a method may confirm a confirmation. Nothing that comes after the confirmation was made widens that. */
export function allowsMethod(row: Pick<ConfirmationRow, 'methods'>, method: string): boolean {
  return row.methods === null ? method === CODE_METHOD : row.methods.includes(`,${method},`);
}

/**
 * The methods of a new confirmation.
 *
 * @param configured the methods of the option `methods`; a code is always one.
 * @throws TwoFactorInputError for anything but a list of different names of configured methods.
 */
export function parseMethods(
  given: unknown,
  configured: ReadonlyMap<string, unknown>,
): readonly MethodName[] | null {
  if (given === undefined) return null;
  const isKnown = (name: unknown): boolean =>
    name === CODE_METHOD || (typeof name === 'string' && configured.has(name));
  if (
    Array.isArray(given) &&
    given.length > 0 &&
    given.every(isKnown) &&
    new Set(given).size === given.length
  ) {
    return [...(given as readonly MethodName[])];
  }
  throw new TwoFactorInputError(
    `methods is a list of different names of methods: ${[CODE_METHOD, ...configured.keys()].join(', ')}. Others need an ` +
      'entry in the option methods.',
  );
}

/**
 * Checks what the `methods` function of a purpose has returned.
 *
 * @throws TwoFactorConfigurationError for anything but a list of different names of configured methods.
 */
export function assertMethodList(
  listed: unknown,
  configured: ReadonlyMap<string, unknown>,
): asserts listed is readonly MethodName[] {
  const names = [CODE_METHOD, ...configured.keys()];
  const isList =
    Array.isArray(listed) &&
    listed.every((name) => names.includes(name as string)) &&
    new Set(listed).size === listed.length;
  if (isList) return;
  throw new TwoFactorConfigurationError(
    `The function methods of a purpose did not return a list of different configured methods. Let it return some of ` +
      `${names.join(', ')}.`,
  );
}

/** @throws TwoFactorInputError for anything but a list of names of methods, or `hand`. */
export function parseConfirmedBy(given: unknown): readonly string[] | null {
  if (given === undefined) return null;
  const isName = (name: unknown): boolean => typeof name === 'string' && /^[a-z]{1,16}$/.test(name);
  if (Array.isArray(given) && given.length > 0 && given.length <= 8 && given.every(isName)) {
    return [...(given as readonly string[])];
  }
  throw new TwoFactorInputError(
    "confirmedBy is a list of names of methods, such as ['totp'], or 'hand' for the application itself.",
  );
}

/** Whether the sender matters for the proof, because the sent code or the application confirmed it. The other methods send nothing. */
export function isConfirmedThroughSender({
  confirmedBy,
}: Pick<ConfirmationRow, 'confirmedBy'>): boolean {
  return confirmedBy === null || (THROUGH_SENDER as readonly string[]).includes(confirmedBy);
}
