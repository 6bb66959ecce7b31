import { Logger } from '@nestjs/common';

import {
  methodsOf,
  WrongResponse,
  type ConfirmationRow,
  type PasskeyAssertionResponse,
  type PasskeyRegistrationResponse,
  type PasskeyRequestOptions,
} from '../../confirmation/index.js';
import {
  FactorMethod,
  type ActivationEvidence,
  type BegunEnrolment,
  type EnrolmentInput,
  type FactorContext,
  type FactorEnrolment,
  type FactorEvidence,
  type FactorRow,
  type VerificationContext,
} from '../factors/index.js';
import { confirmationChallenge, registrationChallenges } from './challenge.js';
import { parseAssertion, parseRegistration } from './parse-response.js';
import { PasskeyCeremonies } from './passkey-ceremonies.js';
import { passkeyHandle } from './passkey-handle.js';
import { loadPasskeyLibrary } from './passkey-library.js';
import type { ResolvedPasskeyOptions } from './passkey-options.js';
import { refusalText } from './refusal.js';
import { passkeyData, passkeyOf } from './stored-passkey.js';

/** Passkeys of one subject. The oldest one makes place for another. */
const MAX_PASSKEYS = 10;

/** Passkeys (WebAuthn Level 3), each of which signs the challenge of one confirmation. */
export class PasskeyMethod extends FactorMethod<
  PasskeyAssertionResponse,
  PasskeyRegistrationResponse
> {
  readonly name = 'passkey';
  readonly isStrong = true;
  readonly isGuessable = false;
  override readonly responseMember = 'response';
  override readonly enrolment: FactorEnrolment<PasskeyRegistrationResponse>;
  readonly #ceremonies: () => Promise<PasskeyCeremonies>;
  readonly #logger = new Logger(PasskeyMethod.name);

  constructor(options: ResolvedPasskeyOptions) {
    super();
    this.#ceremonies = ceremoniesOf(options);
    this.enrolment = new PasskeyEnrolment(this.#ceremonies, this.#logger);
  }

  override async prepare(): Promise<void> {
    await this.#ceremonies();
  }

  override async challenge({
    factors,
    keyRing,
    row,
  }: VerificationContext): Promise<PasskeyRequestOptions | null> {
    if (factors.length === 0) return null;
    const challenge = confirmationChallenge(keyRing, signedPart(row));
    return (await this.#ceremonies()).assertionOptions(challenge, factors.map(passkeyOf));
  }

  override describe(factor: FactorRow): { readonly isSynced: boolean } {
    return { isSynced: passkeyOf(factor).isBackupEligible };
  }

  parse(response: unknown): PasskeyAssertionResponse {
    return parseAssertion(response);
  }

  async verify(
    response: PasskeyAssertionResponse,
    { factors, userHandle, keyRing, row, subject }: VerificationContext,
  ): Promise<FactorEvidence | WrongResponse> {
    const factor = factors.find((each) => passkeyOf(each).id === response.id);
    const ceremonies = await this.#ceremonies();
    const { evidence, refusal } = await ceremonies.verifyAssertion(response, {
      challenge: confirmationChallenge(keyRing, signedPart(row)),
      subject,
      credential: factor && passkeyOf(factor),
      userHandle,
    });
    if (factor !== undefined && evidence !== null) {
      return { factor, write: 'advance', counter: evidence.counter };
    }
    const reason = refusalText('An assertion', refusal ?? 'credential');
    this.#logger.debug(reason);
    if (factor === undefined || refusal !== 'counter') return new WrongResponse(reason);
    return { factor, write: 'advance', counter: factor.counter, refusal: reason };
  }

  guessOf(): null {
    return null;
  }
}

class PasskeyEnrolment implements FactorEnrolment<PasskeyRegistrationResponse> {
  readonly max = MAX_PASSKEYS;

  constructor(
    private readonly ceremonies: () => Promise<PasskeyCeremonies>,
    private readonly logger: Logger,
  ) {}

  begin({ id, account }: EnrolmentInput, { keyRing, subject }: FactorContext): BegunEnrolment {
    const [challenge] = registrationChallenges(keyRing, { factorId: id, subject });
    return {
      data: null,
      reveal: async ({ factors, userHandle }) => ({
        options: (await this.ceremonies()).registrationOptions({
          challenge: challenge!,
          userHandle,
          label: account,
          excludeCredentials: factors
            .filter(
              ({ method, activatedAt, isIntact }) =>
                method === 'passkey' && activatedAt !== null && isIntact,
            )
            .map(passkeyOf),
        }),
      }),
    };
  }

  parse(response: unknown): PasskeyRegistrationResponse {
    return parseRegistration(response);
  }

  async activate(
    response: PasskeyRegistrationResponse,
    { id: factorId }: FactorRow,
    { keyRing, subject }: FactorContext,
  ): Promise<ActivationEvidence | WrongResponse> {
    const ceremonies = await this.ceremonies();
    const { credential, refusal } = await ceremonies.verifyRegistration(
      response,
      registrationChallenges(keyRing, { factorId, subject }),
    );
    if (credential === null) {
      const reason = refusalText('A registration', refusal);
      this.logger.debug(reason);
      return new WrongResponse(reason);
    }
    const { id, counter } = credential;
    return { data: passkeyData(credential), handle: passkeyHandle(id), counter };
  }
}

/** What an assertion signs of a confirmation. None of it changes after the confirmation was made. */
function signedPart(row: ConfirmationRow): Parameters<typeof confirmationChallenge>[1] {
  const { id, purpose, subject, detailsMac } = row;
  return { id, purpose, subject, methods: methodsOf(row), detailsMac };
}

/** The ceremonies, whose package is loaded at the first call. */
function ceremoniesOf(options: ResolvedPasskeyOptions): () => Promise<PasskeyCeremonies> {
  let loading: Promise<PasskeyCeremonies> | undefined;
  return () =>
    (loading ??= loadPasskeyLibrary().then((library) => new PasskeyCeremonies(options, library)));
}
