import { randomBytes } from 'node:crypto';

import { KeyRing } from '../crypto/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import { EXAMPLE_SECRET } from './example-secret.js';
import { MIN_SECRET_BITS, secretBits } from './secret-strength.js';

const MIN_BYTES = 32;
/** The example secret as text and as the bytes of its base64. */
const EXAMPLES = [Buffer.from(EXAMPLE_SECRET), Buffer.from(EXAMPLE_SECRET, 'base64')];
const HOW_TO_DRAW = 'draw one with "openssl rand -base64 32"';

export interface SecretInput {
  readonly secret?: unknown;
  readonly secrets?: unknown;
}

export interface ResolvedSecrets {
  readonly keyRing: KeyRing;
  readonly secretIsRandom: boolean;
  /** Whether a secret of the environment replaces another secret of the options. */
  readonly secretIsReplaced: boolean;
}

/**
 * Creates the key ring of the environment's secrets, or without any of the options' secrets. No error message contains a secret.
 *
 * @param application Part of the derivation of all keys, unless it is empty.
 */
export function resolveSecrets(
  input: SecretInput,
  environment: NodeJS.ProcessEnv,
  developmentFeatures: boolean,
  application = '',
): ResolvedSecrets {
  const given = fromEnvironment(environment);
  const coded = fromOptions(input);
  const secretIsReplaced = given !== null && coded !== null && replaces(given, coded);
  const secrets = given ?? coded;
  if (secrets === null) {
    if (!developmentFeatures) {
      throw new TwoFactorConfigurationError(
        `There is no secret: set the option secret (or TWO_FACTOR_SECRET) to at least ${MIN_BYTES} random bytes, and ` +
          `${HOW_TO_DRAW}; only NODE_ENV=development and NODE_ENV=test go without, and unset counts as production.`,
      );
    }
    const keyRing = KeyRing.fromSecrets([randomBytes(MIN_BYTES)], application);
    return { keyRing, secretIsRandom: true, secretIsReplaced };
  }
  const keyRing = KeyRing.fromSecrets(
    secrets.map(([where, secret]) => secretBytes(where, secret)),
    application,
  );
  keyRing.keys.forEach((key, index) => {
    const twin = keyRing.keys.findIndex((other) => other.kid === key.kid);
    if (twin !== index) {
      throw new TwoFactorConfigurationError(
        `The secrets number ${twin + 1} and ${index + 1} are the same. Remove one of them.`,
      );
    }
  });
  return { keyRing, secretIsRandom: false, secretIsReplaced };
}

/**
 * Whether the single secret of the environment replaces the single secret of the options, as each variable replaces its option.
 *
 * @throws TwoFactorConfigurationError when a key ring would lose a secret, because confirmations may still depend on it.
 */
function replaces(given: readonly Named[], coded: readonly Named[]): boolean {
  const missing = coded.filter(
    ([, secret]) => !given.some(([, other]) => isSameSecret(secret, other)),
  );
  if (missing.length === 0) return false;
  const [[variable], [option]] = [given[0]!, missing[0]!];
  if (variable === 'TWO_FACTOR_SECRET' && option === 'Option secret') return true;
  throw new TwoFactorConfigurationError(
    `${option} is not in the environment's ${variable.replace(/\[0\]$/, '')}, which would take the place of all secrets of ` +
      'the options and end the confirmations under this one. Unset the variable, or list all of them in TWO_FACTOR_SECRETS.',
  );
}

function isSameSecret(one: unknown, other: unknown): boolean {
  const [bytes, otherBytes] = [one, other].map((secret) =>
    typeof secret === 'string' || secret instanceof Uint8Array ? Buffer.from(secret) : null,
  );
  return bytes != null && otherBytes != null && bytes.equals(otherBytes);
}

type Named = readonly [where: string, secret: unknown];

function list(where: string, secrets: unknown): Named[] {
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new TwoFactorConfigurationError(
      `${where} is not a list of secrets. Give at least one; the first one signs.`,
    );
  }
  return secrets.map((secret: unknown, index) => [`${where}[${index}]`, secret]);
}

function exclusive(one: string, other: string): TwoFactorConfigurationError {
  return new TwoFactorConfigurationError(
    `Both ${one} and ${other} are set. Keep one: ${other} is for rotation.`,
  );
}

function fromOptions({ secret, secrets }: SecretInput): Named[] | null {
  if (secret !== undefined && secrets !== undefined)
    throw exclusive('option secret', 'option secrets');
  if (secrets !== undefined) return list('Option secrets', secrets);
  return secret === undefined ? null : [['Option secret', secret]];
}

function fromEnvironment(environment: NodeJS.ProcessEnv): Named[] | null {
  const { TWO_FACTOR_SECRET: secret, TWO_FACTOR_SECRETS: secrets } = environment;
  if (secret !== undefined && secrets !== undefined)
    throw exclusive('TWO_FACTOR_SECRET', 'TWO_FACTOR_SECRETS');
  if (secrets !== undefined) return list('TWO_FACTOR_SECRETS', parseJson(secrets));
  return secret === undefined ? null : [['TWO_FACTOR_SECRET', secret]];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TwoFactorConfigurationError(
      'TWO_FACTOR_SECRETS is not JSON. Write an array of strings without quotes around it: ' +
        '["the new secret","the old one"]',
    );
  }
}

function secretBytes(where: string, secret: unknown): Uint8Array {
  const refuse = (what: string): never => {
    throw new TwoFactorConfigurationError(`${where} ${what}: ${HOW_TO_DRAW}.`);
  };
  if (typeof secret === 'string') {
    if (/\s/.test(secret)) refuse('contains white space, which is lost when it is copied');
    // A shell and dotenv remove the quotes, `docker --env-file` keeps them: two instances would have different secrets.
    if (/^["'`]|["'`]$/.test(secret)) {
      refuse(
        'stands in quotes, which docker --env-file makes a part of it; remove them, or draw another one',
      );
    }
  } else if (!(secret instanceof Uint8Array)) {
    refuse('is neither a string nor bytes');
  }
  const bytes = Buffer.from(secret as string | Uint8Array);
  if (EXAMPLES.some((example) => bytes.equals(example)))
    refuse('is the example of the documentation, which everybody knows');
  if (bytes.length < MIN_BYTES)
    refuse(`has ${bytes.length} bytes, and at least ${MIN_BYTES} are needed`);
  if (secretBits(bytes) < MIN_SECRET_BITS) {
    refuse(
      'is easier to guess than 32 random bytes (words, a pattern, a repetition, or a published text)',
    );
  }
  return bytes;
}
