import { randomBytes } from 'node:crypto';

import { FactorService, recoveryCodes, totp } from '../../lib/index.js';
import { passkeys } from '../../lib/methods/passkey/index.js';
import { parseAssertion, parseRegistration } from '../../lib/methods/passkey/parse-response.js';
import {
  PasskeyCeremonies,
  type AssertionExpectation,
  type AssertionOutcome,
  type EnrolledPasskey,
  type RegistrationOutcome,
} from '../../lib/methods/passkey/passkey-ceremonies.js';
import { loadPasskeyLibrary } from '../../lib/methods/passkey/passkey-library.js';
import {
  resolvePasskeyOptions,
  type PasskeyOptions,
} from '../../lib/methods/passkey/passkey-options.js';
import type {
  PasskeyCreationOptions,
  PasskeyRequestOptions,
} from '../../lib/confirmation/model/passkey-json.js';
import {
  SoftwareAuthenticator,
  type SoftwareAuthenticatorOptions,
} from '../../lib/testing/software-authenticator.js';

import { DEVICES } from './devices.js';
import type { TestApp } from './test-app.js';

export const ORIGIN = 'https://acme.example';
export const PASSKEY_OPTIONS: PasskeyOptions = {
  rpName: 'ACME',
  rpId: 'acme.example',
  origins: [ORIGIN],
};
export const SUBJECT = 'user-1';

export const randomText = (): string => randomBytes(32).toString('base64url');

/** One subject of an application, its authenticator, and the ceremonies between them, with fresh challenges. */
export class PasskeyBench {
  readonly userHandle = randomText();
  readonly challenge = randomText();

  private constructor(
    readonly ceremonies: PasskeyCeremonies,
    readonly authenticator: SoftwareAuthenticator,
  ) {}

  static async open(
    options: Partial<PasskeyOptions> = {},
    authenticator: Partial<SoftwareAuthenticatorOptions> = {},
  ): Promise<PasskeyBench> {
    const resolved = resolvePasskeyOptions({ ...PASSKEY_OPTIONS, ...options });
    return new PasskeyBench(
      new PasskeyCeremonies(resolved, await loadPasskeyLibrary()),
      new SoftwareAuthenticator({ origin: ORIGIN, ...authenticator }),
    );
  }

  creationOptions(): PasskeyCreationOptions {
    return this.ceremonies.registrationOptions({
      challenge: this.challenge,
      userHandle: this.userHandle,
      label: 'ann@acme.example',
      excludeCredentials: [],
    });
  }

  /** As an application does it: what a browser sent is parsed first. */
  async register(response: unknown): Promise<RegistrationOutcome> {
    return this.ceremonies.verifyRegistration(parseRegistration(response), [this.challenge]);
  }

  async enrol(): Promise<EnrolledPasskey> {
    const outcome = await this.register(this.authenticator.create(this.creationOptions()));
    if (outcome.credential === null) throw new Error(`The enrolment failed: ${outcome.refusal}.`);
    return { ...outcome.credential, factorId: 'factor-1', subject: SUBJECT };
  }

  requestOptions(credential: EnrolledPasskey): PasskeyRequestOptions {
    return this.ceremonies.assertionOptions(this.challenge, [credential]);
  }

  async assert(
    response: unknown,
    credential: EnrolledPasskey | undefined,
    expectation: Partial<AssertionExpectation> = {},
  ): Promise<AssertionOutcome> {
    return this.ceremonies.verifyAssertion(parseAssertion(response), {
      challenge: this.challenge,
      subject: SUBJECT,
      userHandle: this.userHandle,
      credential,
      ...expectation,
    });
  }
}

/** Methods as an application with passkeys configures them. */
export const PASSKEY_METHODS = [
  passkeys(PASSKEY_OPTIONS),
  totp({ issuer: 'ACME' }),
  recoveryCodes({ count: 10 }),
  DEVICES,
];

/** A subject with an active passkey. */
export interface PasskeyHolder {
  readonly subject: string;
  readonly factorId: string;
  readonly authenticator: SoftwareAuthenticator;
  readonly recoveryCodes: readonly string[];
}

/** Enrols a passkey as an application does: both steps by `FactorService`. */
export async function enrolPasskey(
  { app }: Pick<TestApp, 'app'>,
  subject: string,
  options: Partial<SoftwareAuthenticatorOptions> = {},
): Promise<PasskeyHolder> {
  const factors = app.get(FactorService, { strict: false });
  const begun = await factors.enrol({ subject, method: 'passkey' });
  const authenticator = new SoftwareAuthenticator({ origin: ORIGIN, ...options });
  const factor = begun.factor.id;
  const response = authenticator.create(begun.options);
  const activated = await factors.activate({ subject, factor, response });
  if (activated === null) throw new Error('The passkey was not activated.');
  return { subject, factorId: factor, authenticator, recoveryCodes: activated.recoveryCodes ?? [] };
}
