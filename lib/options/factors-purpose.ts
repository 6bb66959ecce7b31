import { TwoFactorConfigurationError, type MethodName } from '../errors/index.js';
import { DEVICE_METHOD, FACTORS_PURPOSE, type ConfiguredMethods } from './methods.js';
import type { ResolvedOptions } from './resolved-options.interface.js';
import { formatValue } from './settings.js';
import type { PurposeDefinition } from './two-factor-options.interface.js';

/**
 * What proves a change of the factors by a person who has an authenticator, in order of preference. A remembered device does not:
 * it stands for its browser, and a thief at that browser would add an authenticator.
 */
const PROVING_METHODS = ['passkey', 'totp', 'recovery'];

/**
 * Whether no person without an authenticator can enrol one over HTTP: neither a sent code nor the session proves the person. An
 * application may mean that, and enrol or import authenticators by `FactorService`. What a function of methods returns is not known.
 */
export function lacksFirstFactor({
  methods: configured,
  purposes,
}: Pick<ResolvedOptions, 'methods' | 'purposes'>): boolean {
  const purpose = purposes.get(FACTORS_PURPOSE);
  const hasAuthenticators = [...configured.values()].some(({ isStrong }) => isStrong);
  if (purpose === undefined || !hasAuthenticators || purpose.firstFactor !== undefined)
    return false;
  const { recipient, methods } = purpose;
  return recipient === undefined || (Array.isArray(methods) && !methods.includes('code'));
}

type MethodsFunction = Exclude<PurposeDefinition['methods'], readonly MethodName[] | undefined>;

/** Whether a person with these methods has an authenticator of its own. */
export function hasStrong(enrolled: readonly string[], configured: ConfiguredMethods): boolean {
  return enrolled.some((name) => configured.get(name)?.isStrong === true);
}

/**
 * The purpose `factors` with the methods that prove it. A code proves it only for a person without an authenticator: otherwise
 * a stolen mailbox would replace every authenticator.
 *
 * @throws TwoFactorConfigurationError; the message names the member and the remedy.
 */
export function factorsPurpose(
  purpose: PurposeDefinition,
  configured: ConfiguredMethods,
): PurposeDefinition {
  const { subject, recipient, methods, details } = purpose;
  const firstFactor: unknown = purpose.firstFactor;
  if (subject === undefined || recipient === 'client') {
    throw new TwoFactorConfigurationError(
      `Purpose ${FACTORS_PURPOSE} changes the authenticators of a person, and ` +
        (subject === undefined ? 'has no subject' : 'its client names where codes go') +
        '. Give it subject and, for the first authenticator, a recipient function.',
    );
  }
  if (purpose.claimedSubject === true) {
    throw new TwoFactorConfigurationError(
      `Purpose ${FACTORS_PURPOSE} changes the authenticators of a person, and its claimedSubject is true: an anonymous client that only ` +
        'claims to be the person would read and add them. Give it the subject of a signed-in person, and leave claimedSubject out.',
    );
  }
  if (details !== undefined) {
    throw new TwoFactorConfigurationError(
      `Purpose ${FACTORS_PURPOSE} has details of its own: what is changed, such as { change: 'enrol', method: 'totp' }. Leave ` +
        'details out, or give the purpose of your own routes another name.',
    );
  }
  if (firstFactor !== undefined && firstFactor !== 'session') {
    throw new TwoFactorConfigurationError(
      `Option purposes.${FACTORS_PURPOSE}.firstFactor is ${formatValue(firstFactor)}. Give 'session', or leave it out.`,
    );
  }
  if (firstFactor !== undefined && recipient !== undefined) {
    throw new TwoFactorConfigurationError(
      `Purpose ${FACTORS_PURPOSE} has a recipient, whose code proves the first authenticator, and firstFactor: 'session', ` +
        'which asks for less. Leave one of them out.',
    );
  }
  return { ...purpose, methods: provingMethods(methods, configured) };
}

/** @throws TwoFactorConfigurationError for `firstFactor`, which only the purpose `factors` may have, and only with the option `methods`. */
export function assertNoFirstFactor(name: string, { firstFactor }: PurposeDefinition): void {
  if (firstFactor === undefined) return;
  throw new TwoFactorConfigurationError(
    `Option purposes.${name}.firstFactor is for the purpose ${FACTORS_PURPOSE} with the option methods. Leave it out.`,
  );
}

function provingMethods(
  given: PurposeDefinition['methods'],
  configured: ConfiguredMethods,
): PurposeDefinition['methods'] {
  if (given === undefined) return defaultProvingMethods(configured);
  if (typeof given !== 'function') {
    assertNoDevice(given);
    return given;
  }
  const choose: MethodsFunction = given;
  return async (context, enrolled) => {
    const chosen = await choose(context, enrolled);
    assertNoDevice(chosen);
    return chosen;
  };
}

function defaultProvingMethods(configured: ConfiguredMethods): MethodsFunction {
  const proving = PROVING_METHODS.filter((name) => configured.has(name)) as MethodName[];
  return (_, enrolled) => (hasStrong(enrolled, configured) ? proving : ['code']);
}

function assertNoDevice(names: unknown): void {
  if (!Array.isArray(names) || !names.includes(DEVICE_METHOD)) return;
  throw new TwoFactorConfigurationError(
    `Option purposes.${FACTORS_PURPOSE}.methods has ${DEVICE_METHOD}: a person at a remembered browser could add an authenticator. ` +
      'Leave it out.',
  );
}
