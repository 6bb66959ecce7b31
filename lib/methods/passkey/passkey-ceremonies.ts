import { attestedCredential, attestedData, unattested } from './attestation-object.js';
import { headerRefusal, readHeader, type AuthenticatorHeader } from './authenticator-data.js';
import { clientDataRefusal } from './client-data.js';
import type {
  PasskeyAssertionResponse,
  PasskeyCreationOptions,
  PasskeyDescriptor,
  PasskeyRegistrationResponse,
  PasskeyRequestOptions,
} from '../../confirmation/index.js';
import type { PasskeyLibrary } from './passkey-library.js';
import type { ResolvedPasskeyOptions } from './passkey-options.js';
import { ALGORITHMS, isAcceptedKey } from './public-key.js';
import type { PasskeyRefusal } from './refusal.js';

/** The members by which a browser finds a passkey that it may use. */
export interface KnownPasskey {
  /** The credential id in base64url. */
  readonly id: string;
  readonly transports: readonly string[];
}

/** The stored data of a passkey, none of which is secret. */
export interface PasskeyCredential extends KnownPasskey {
  /** The COSE key in base64url. */
  readonly publicKey: string;
  readonly counter: number;
  /** Whether a provider may copy the passkey to other devices. */
  readonly isBackupEligible: boolean;
}

/** A passkey that a subject has enrolled. */
export interface EnrolledPasskey extends PasskeyCredential {
  readonly factorId: string;
  readonly subject: string;
}

/** The values from which the options for the browser are made when a passkey is registered. */
export interface RegistrationInput {
  /** The random text that the authenticator signs: the first of `registrationChallenges`. */
  readonly challenge: string;
  /** 32 random bytes in base64url, the same for all passkeys of the subject. Never the subject: authenticators reveal it. */
  readonly userHandle: string;
  /** The name under which the browser lists the passkey, such as the address of the person. */
  readonly label: string;
  /** The subject's other passkeys, so that an authenticator does not hold two. */
  readonly excludeCredentials: readonly KnownPasskey[];
}

/** The values that an assertion, the signed response of a passkey, must match. */
export interface AssertionExpectation {
  /** The text that must have been signed, from `confirmationChallenge`. */
  readonly challenge: string;
  /** The subject of the confirmation. */
  readonly subject: string;
  /** The passkey that the response names; `undefined` when there is none. */
  readonly credential: EnrolledPasskey | undefined;
  /** The user handle of the confirmation's subject, in base64url. */
  readonly userHandle: string;
}

/**
 * The result of a valid assertion. The statement that confirms checks once more that the factor is active and its counter lower.
 */
export interface PasskeyEvidence {
  readonly factorId: string;
  readonly counter: number;
}

/** The new credential, or why the registration was refused. */
export type RegistrationOutcome =
  | { readonly credential: PasskeyCredential; readonly refusal: null }
  | { readonly credential: null; readonly refusal: PasskeyRefusal };

/** The evidence for the write, or why the assertion was refused. */
export type AssertionOutcome =
  | { readonly evidence: PasskeyEvidence; readonly refusal: null }
  | { readonly evidence: null; readonly refusal: PasskeyRefusal };

/** Long enough to fetch a security key (WebAuthn Level 3, 15.1). */
const TIMEOUT_MS = 300_000;

/**
 * The two ceremonies of WebAuthn: registration enrols a passkey, and an assertion confirms a confirmation with it. The class
 * stores and reads nothing.
 *
 * Each check is made here by name, and then the library decodes and checks once more and verifies the signature. The library leaves
 * some checks to its caller: frames of other sites, the id of the credential, the backup flags, and the key.
 */
export class PasskeyCeremonies {
  constructor(
    private readonly options: ResolvedPasskeyOptions,
    private readonly library: PasskeyLibrary,
  ) {}

  /** The options with which the browser creates a passkey. They request no attestation, which would only identify the model. */
  registrationOptions(input: RegistrationInput): PasskeyCreationOptions {
    const { rpId, rpName } = this.options;
    return {
      rp: { id: rpId, name: rpName },
      user: { id: input.userHandle, name: input.label, displayName: input.label },
      challenge: input.challenge,
      pubKeyCredParams: Object.values(ALGORITHMS).map((alg) => ({ type: 'public-key', alg })),
      timeout: TIMEOUT_MS,
      excludeCredentials: input.excludeCredentials.map(descriptorOf),
      authenticatorSelection: {
        residentKey: 'preferred',
        requireResidentKey: false,
        userVerification: 'required',
      },
      attestation: 'none',
    };
  }

  /**
   * Judges the answer to `registrationOptions`.
   *
   * @param response from `parseRegistration`.
   * @param challenges the challenges of the factor, from `registrationChallenges`.
   */
  async verifyRegistration(
    response: PasskeyRegistrationResponse,
    challenges: readonly string[],
  ): Promise<RegistrationOutcome> {
    const { clientDataJSON, attestationObject, transports = [] } = response.response;
    const refusal = clientDataRefusal(clientDataJSON, {
      type: 'webauthn.create',
      challenges,
      origins: this.options.origins,
    });
    if (refusal !== null) return refusedRegistration(refusal);
    const data = attestedData(this.library, attestationObject);
    const header = data && readHeader(data);
    const attested = data && attestedCredential(this.library, data);
    if (!data || !header || !attested) return refusedRegistration('malformed');
    const headersRefusal = headerRefusal(header, this.options.rpIdHash);
    if (headersRefusal !== null) return refusedRegistration(headersRefusal);
    const { counter, isBackupEligible } = header;
    if (isBackupEligible && !this.options.synced) return refusedRegistration('synced');
    if (attested.id !== response.id) return refusedRegistration('credential');
    if (!isAcceptedKey(attested.key)) return refusedRegistration('algorithm');
    if (!(await this.#isValidRegistration(response, unattested(data), challenges))) {
      return refusedRegistration('malformed');
    }
    const { id, publicKey } = attested;
    return { credential: { id, transports, publicKey, counter, isBackupEligible }, refusal: null };
  }

  /**
   * What the browser needs to answer one confirmation.
   *
   * @param challenge from `confirmationChallenge`.
   * @param passkeys the active passkeys of the confirmation's subject.
   */
  assertionOptions(challenge: string, passkeys: readonly KnownPasskey[]): PasskeyRequestOptions {
    return {
      rpId: this.options.rpId,
      challenge,
      timeout: TIMEOUT_MS,
      allowCredentials: passkeys.map(descriptorOf),
      userVerification: 'required',
    };
  }

  /**
   * Judges the answer to `assertionOptions`. The caller's write must repeat the comparison of the counter, because two processes may
   * judge the same assertion.
   *
   * @param response from `parseAssertion`.
   */
  async verifyAssertion(
    response: PasskeyAssertionResponse,
    { challenge, subject, credential, userHandle }: AssertionExpectation,
  ): Promise<AssertionOutcome> {
    if (credential?.id !== response.id || credential.subject !== subject) {
      return refusedAssertion('credential');
    }
    const { clientDataJSON, authenticatorData, userHandle: handle } = response.response;
    if (handle !== undefined && handle !== userHandle) return refusedAssertion('user-handle');
    const refusal = clientDataRefusal(clientDataJSON, {
      type: 'webauthn.get',
      challenges: [challenge],
      origins: this.options.origins,
    });
    if (refusal !== null) return refusedAssertion(refusal);
    const header = readHeader(Buffer.from(authenticatorData, 'base64url'));
    if (header === null) return refusedAssertion('malformed');
    const headersRefusal =
      headerRefusal(header, this.options.rpIdHash) ?? this.#backupRefusal(header, credential);
    if (headersRefusal !== null) return refusedAssertion(headersRefusal);
    const isSigned = await this.#isSigned(response, challenge, credential);
    if (isSigned === null) return refusedAssertion('malformed');
    if (!isSigned) return refusedAssertion('signature');
    // Judged last: only the passkey itself can report that its counter went backwards.
    const { counter } = header;
    const advances = counter > credential.counter || (counter === 0 && credential.counter === 0);
    if (!advances) return refusedAssertion('counter');
    return { evidence: { factorId: credential.factorId, counter }, refusal: null };
  }

  #backupRefusal(
    { isBackupEligible }: AuthenticatorHeader,
    credential: EnrolledPasskey,
  ): PasskeyRefusal | null {
    if (isBackupEligible !== credential.isBackupEligible) return 'backup-flags';
    return isBackupEligible && !this.options.synced ? 'synced' : null;
  }

  /** Whether the library accepts the registration too. */
  async #isValidRegistration(
    response: PasskeyRegistrationResponse,
    attestationObject: string,
    challenges: readonly string[],
  ): Promise<boolean> {
    try {
      const { verified } = await this.library.verifyRegistrationResponse({
        response: {
          ...response,
          clientExtensionResults: {},
          response: { clientDataJSON: response.response.clientDataJSON, attestationObject },
        },
        expectedChallenge: (challenge) => challenges.includes(challenge),
        expectedOrigin: [...this.options.origins],
        expectedRPID: this.options.rpId,
        requireUserVerification: true,
        supportedAlgorithmIDs: Object.values(ALGORITHMS),
      });
      return verified;
    } catch {
      // The library throws for each response that it refuses. Its texts repeat what the client sent, so none is kept.
      return false;
    }
  }

  /** `null` for what the library cannot decode or refuses. */
  async #isSigned(
    response: PasskeyAssertionResponse,
    challenge: string,
    credential: EnrolledPasskey,
  ): Promise<boolean | null> {
    try {
      const { verified } = await this.library.verifyAuthenticationResponse({
        response: { ...response, clientExtensionResults: {} },
        expectedChallenge: challenge,
        expectedOrigin: [...this.options.origins],
        expectedRPID: this.options.rpId,
        requireUserVerification: true,
        credential: {
          id: credential.id,
          publicKey: new Uint8Array(Buffer.from(credential.publicKey, 'base64url')),
          // The library judges the counter before the signature. With 0 it accepts each.
          counter: 0,
        },
      });
      return verified;
    } catch {
      return null;
    }
  }
}

function descriptorOf({ id, transports }: KnownPasskey): PasskeyDescriptor {
  return { type: 'public-key', id, ...(transports.length > 0 && { transports: [...transports] }) };
}

function refusedRegistration(refusal: PasskeyRefusal): RegistrationOutcome {
  return { credential: null, refusal };
}

function refusedAssertion(refusal: PasskeyRefusal): AssertionOutcome {
  return { evidence: null, refusal };
}
