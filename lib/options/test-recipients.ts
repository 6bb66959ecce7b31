import { normaliseCode } from '../crypto/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import { NOT_DEVELOPMENT } from './development.js';
import { FACTORS_PURPOSE } from './methods.js';
import { formatValue, isName, NAME_RULE } from './settings.js';
import { expectObject, refuseUnknown } from './validate.js';

const MAX_TOKEN = 320;
const MAX_DAYS = 90;
const DAY_MS = 86_400_000;

/** An entry of the option `testRecipients`, checked. Its code is no property, so that no dump of the options shows it. */
export class ResolvedTestRecipient {
  readonly #code: string;

  constructor(
    readonly token: string,
    code: string,
    readonly purposes: ReadonlySet<string>,
    /** The first moment at which it is an ordinary recipient, epoch milliseconds. */
    readonly endsAt: number,
  ) {
    this.#code = code;
    Object.freeze(this);
  }

  /** The normalised code. */
  readCode(): string {
    return this.#code;
  }
}

/**
 * The test recipients, and `null` for none.
 *
 * @param now epoch milliseconds.
 * @throws TwoFactorConfigurationError; the message names the entry and the remedy, and never a phone number, an address or a
 * code.
 */
export function resolveTestRecipients(
  input: unknown,
  allowed: unknown,
  { now, isDevelopment }: { readonly now: number; readonly isDevelopment: boolean },
): readonly ResolvedTestRecipient[] | null {
  const recipients = expectList('testRecipients', input).map((entry, index) =>
    resolveEntry(`testRecipients[${index}]`, entry, now),
  );
  // Named here without an entry in `testRecipients`, it is no mistake: it may stay between two reviews.
  const repeated = expectList('allowTestRecipientsInProduction', allowed);
  const wrong = repeated.findIndex((token) => typeof token !== 'string');
  if (wrong !== -1) {
    throw new TwoFactorConfigurationError(
      `Option allowTestRecipientsInProduction[${wrong}] is ${formatValue(repeated[wrong])}. Give a token of testRecipients.`,
    );
  }
  if (!isDevelopment) {
    for (const [index, recipient] of recipients.entries()) {
      assertFitForProduction(`testRecipients[${index}]`, recipient, repeated);
    }
  }
  return recipients.length === 0 ? null : Object.freeze(recipients);
}

function expectList(option: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw new TwoFactorConfigurationError(
    `Option ${option} is ${typeof value === 'string' ? 'a text' : formatValue(value)}. Give a list.`,
  );
}

function resolveEntry(option: string, entry: unknown, now: number): ResolvedTestRecipient {
  const given = expectObject(`Option ${option}`, typeof entry === 'string' ? 'a text' : entry);
  refuseUnknown(`member of ${option}:`, given, ['token', 'code', 'purposes', 'validUntil']);
  const { token, code, purposes, validUntil } = given;
  if (typeof token !== 'string' || token.length === 0 || token.length > MAX_TOKEN) {
    throw new TwoFactorConfigurationError(
      `Option ${option}.token is no token. Give the address or number that the reviewer types, 1 to ${MAX_TOKEN} characters.`,
    );
  }
  const normalised = normaliseCode(code);
  if (normalised === null) {
    throw new TwoFactorConfigurationError(
      `Option ${option}.code is no code. Give a text of 6 to 64 printable ASCII characters.`,
    );
  }
  const names = resolvePurposes(`${option}.purposes`, purposes);
  return new ResolvedTestRecipient(
    token,
    normalised,
    names,
    resolveEnd(`${option}.validUntil`, validUntil, now),
  );
}

function resolvePurposes(option: string, purposes: unknown): ReadonlySet<string> {
  const isList = Array.isArray(purposes) && purposes.length > 0;
  if (!isList || !purposes.every((each) => each === '' || isName(each))) {
    throw new TwoFactorConfigurationError(
      `Option ${option} is ${isList ? 'a list with other values than names' : formatValue(purposes)}. Give the purposes that the fixed code confirms, such as ` +
        `['login']; each name is ${NAME_RULE}, or empty for the purpose without a name.`,
    );
  }
  if (purposes.includes(FACTORS_PURPOSE)) {
    throw new TwoFactorConfigurationError(
      `Option ${option} has ${FACTORS_PURPOSE}: a code that is known to others would replace an authenticator. Remove it.`,
    );
  }
  return new Set<string>(purposes);
}

function resolveEnd(option: string, validUntil: unknown, now: number): number {
  const time = validUntil instanceof Date ? validUntil.getTime() : Number.NaN;
  if (Number.isNaN(time)) {
    throw new TwoFactorConfigurationError(
      `Option ${option} is ${validUntil instanceof Date ? 'an invalid date' : formatValue(validUntil)}. Give a Date of at most ` +
        `${MAX_DAYS} days ahead, such as new Date('2026-12-31').`,
    );
  }
  if (time - now > MAX_DAYS * DAY_MS) {
    throw new TwoFactorConfigurationError(
      `Option ${option} is more than ${MAX_DAYS} days ahead. Give an earlier date: a forgotten fixed code must end by itself.`,
    );
  }
  return time;
}

/** @throws TwoFactorConfigurationError unless the application has said twice that it wants a fixed code in production. */
function assertFitForProduction(
  option: string,
  recipient: ResolvedTestRecipient,
  repeated: readonly unknown[],
): void {
  if (!repeated.includes(recipient.token)) {
    throw new TwoFactorConfigurationError(
      `Option ${option} has a fixed code, and ${NOT_DEVELOPMENT}: all who know it confirm for this recipient. Remove the entry, or ` +
        'repeat its token in allowTestRecipientsInProduction.',
    );
  }
  if (isObviousCode(recipient.readCode())) {
    throw new TwoFactorConfigurationError(
      `Option ${option}.code is one of the first codes that are guessed, and it stays the same for days. Draw one at random.`,
    );
  }
}

/** Whether all characters of a code are equal, or each is one higher or each one lower than the last: 000000, 123456, 654321. */
function isObviousCode(code: string): boolean {
  const steps = new Set(
    Array.from(
      { length: code.length - 1 },
      (_, at) => code.charCodeAt(at + 1) - code.charCodeAt(at),
    ),
  );
  const [step = 0] = steps;
  return steps.size === 1 && Math.abs(step) <= 1;
}
