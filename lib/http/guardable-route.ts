import { CODE_METHOD } from '../confirmation/index.js';
import { BY_HAND, TwoFactorConfigurationError } from '../errors/index.js';
import { formatValue, type ConfiguredMethods, type PurposeDefinition } from '../options/index.js';
import type { ConfirmationRequirement } from './confirmation-requirement.js';

/** The names of all methods, configured or not: a list of them may be shared by several routes. */
const ALL_METHODS: readonly string[] = [CODE_METHOD, 'totp', 'passkey', 'recovery', 'device'];

/**
 * Refuses a route that no proof could ever open, because the purpose confirms by other methods or through other senders than the
 * route asks for. Its callers would get 403 for each proof, and the application would learn of it from them.
 *
 * @throws TwoFactorConfigurationError; the message names the route, the option and the remedy.
 */
export function assertObtainable(
  { purpose: name, confirmedBy, senders }: ConfirmationRequirement,
  purpose: PurposeDefinition,
  configured: ConfiguredMethods,
  where: string,
): void {
  assertNames(`${where} has @RequireConfirmation with confirmedBy`, confirmedBy, "['totp']");
  assertNames(`${where} has @RequireConfirmation with senders`, senders, "['sms']");
  const possible = possibleMethods(purpose, configured);
  const misspelt = confirmedBy?.find((each) => ![...ALL_METHODS, BY_HAND].includes(each));
  if (misspelt !== undefined) {
    throw new TwoFactorConfigurationError(
      `${where} requires a confirmation by ${formatValue(misspelt)}, which is no method: name some of ` +
        `${[...ALL_METHODS, BY_HAND].join(', ')}.`,
    );
  }
  if (confirmedBy?.every((each) => !possible.includes(each))) {
    throw new TwoFactorConfigurationError(
      `${where} requires a confirmation for "${name}" by ${confirmedBy.join(' or ')}, and this purpose confirms by ` +
        `${possible.join(', ')}: add ${confirmedBy.join(' or ')} to purposes.${name}.methods, or name another method in ` +
        'confirmedBy.',
    );
  }
  const allowed = purpose.senders;
  if (allowed && senders?.every((each) => !allowed.includes(each))) {
    throw new TwoFactorConfigurationError(
      `${where} requires a confirmation for "${name}" through ${senders.join(' or ')}, and this purpose sends through ` +
        `${allowed.join(', ')}: add ${senders.join(' or ')} to purposes.${name}.senders, or name another sender on the route.`,
    );
  }
}

/**
 * Refuses a route that a code to any phone number or mailbox would open: its client names where the code goes, and neither details nor the
 * handler compare that with the call. A thief of a session would have the code sent to a number of the thief's own.
 *
 * @throws TwoFactorConfigurationError; the message names the route and the remedy.
 */
export function assertTokenIsCompared(
  { purpose: name, useIn, details }: ConfirmationRequirement,
  purpose: PurposeDefinition,
  where: string,
): void {
  const isCompared = useIn === 'handler' || details !== undefined || purpose.details !== undefined;
  if (purpose.recipient !== 'client' || isCompared) return;
  throw new TwoFactorConfigurationError(
    `${where} requires a confirmation for "${name}", whose codes go where the client says, and nothing compares that with the call: set ` +
      "useIn: 'handler' and compare the token of the proof there, or give the purpose or the route details.",
  );
}

/**
 * The evidence that a proof of the purpose can have. What a function of methods returns is not known before a call, and where the
 * purpose names no methods, the application may name them in `request` and `makeConfirmation`.
 */
function possibleMethods(
  { methods }: PurposeDefinition,
  configured: ConfiguredMethods,
): readonly string[] {
  const named = Array.isArray(methods) ? (methods as readonly string[]) : null;
  return [...(named ?? [CODE_METHOD, ...configured.keys()]), BY_HAND];
}

function assertNames(option: string, given: unknown, example: string): void {
  if (given === undefined) return;
  const isList =
    Array.isArray(given) && given.length > 0 && given.every((each) => typeof each === 'string');
  if (isList) return;
  throw new TwoFactorConfigurationError(
    `${option}, which is ${formatValue(given)}: give a list of names such as ${example}, or leave it out.`,
  );
}
