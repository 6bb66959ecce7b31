import { createHash } from 'node:crypto';

import { drawBytes } from '../crypto/index.js';
import { TwoFactorInputError } from '../errors/index.js';
import type {
  PasskeyAssertionResponse,
  PasskeyCreationOptions,
  PasskeyRegistrationResponse,
  PasskeyRequestOptions,
} from '../confirmation/index.js';
import { assertDevelopment } from './assert-development.js';
import { encodeCbor, type CborValue } from './cbor.js';
import { AuthenticatorKey, type AuthenticatorAlgorithm } from './authenticator-key.js';

/** A fault of a page, a browser or an authenticator, in both ceremonies. */
export type PasskeyFault =
  | 'wrong-type'
  | 'wrong-challenge'
  | 'wrong-origin'
  | 'cross-origin'
  | 'top-origin'
  | 'wrong-rp-id'
  | 'no-user-presence'
  | 'no-user-verification'
  | 'wrong-credential'
  | 'other-algorithm';

/** A fault that only an assertion can have. */
export type AssertionFault =
  | PasskeyFault
  | 'changed-backup-flag'
  | 'counter-backwards'
  | 'wrong-signature'
  | 'wrong-user-handle';

/** The options of `SoftwareAuthenticator`. */
export interface SoftwareAuthenticatorOptions {
  /** The origin of the page that the person is on, such as `https://acme.example`. */
  readonly origin: string;
  /**
   * Whether a provider copies its passkeys to other devices. Their counter is always 0 then; that of others starts at 1.
   *
   * @default false
   */
  readonly isSynced?: boolean | undefined;
  /** The algorithm of its keys. @default 'ES256' */
  readonly algorithm?: AuthenticatorAlgorithm | undefined;
}

interface StoredPasskey {
  readonly id: string;
  readonly rpId: string;
  readonly userHandle: string;
  readonly key: AuthenticatorKey;
  counter: number;
}

const FLAGS = {
  userPresent: 0x01,
  userVerified: 0x04,
  backupEligible: 0x08,
  backedUp: 0x10,
  attested: 0x40,
};
const BACKUP = FLAGS.backupEligible | FLAGS.backedUp;
const AAGUID = Buffer.alloc(16);
const ID_BYTES = 32;
const COUNTER_BYTES = 4;

/**
 * A passkey authenticator and its browser, in memory: it answers the options of an enrolment and of a challenge as
 * `navigator.credentials` does. Each answer can have one fault, which an application must refuse.
 *
 * @example
 * ```ts
 * const authenticator = new SoftwareAuthenticator({ origin: 'https://acme.example' });
 * const registration = authenticator.create(creationOptions);
 * const assertion = authenticator.get(requestOptions);
 * const phished = authenticator.get(requestOptions, 'wrong-origin');
 * ```
 * @publicApi
 */
export class SoftwareAuthenticator {
  readonly #origin: string;
  readonly #isSynced: boolean;
  readonly #algorithm: AuthenticatorAlgorithm;
  readonly #passkeys: StoredPasskey[] = [];

  /** @throws TwoFactorConfigurationError unless `NODE_ENV` is `development` or `test`. */
  constructor({ origin, isSynced = false, algorithm = 'ES256' }: SoftwareAuthenticatorOptions) {
    assertDevelopment('SoftwareAuthenticator');
    this.#origin = origin;
    this.#isSynced = isSynced;
    this.#algorithm = algorithm;
  }

  /**
   * Creates a passkey, as `navigator.credentials.create` does.
   *
   * @throws TwoFactorInputError when it holds one of `excludeCredentials`, or has no algorithm of the options.
   */
  create(options: PasskeyCreationOptions, fault?: PasskeyFault): PasskeyRegistrationResponse {
    assertDevelopment('SoftwareAuthenticator');
    if (this.#findPasskey(options.excludeCredentials)) {
      throw new TwoFactorInputError('The authenticator holds a passkey of this account already.');
    }
    const key = AuthenticatorKey.draw(fault === 'other-algorithm' ? 'ES384' : this.#algorithm);
    if (fault === undefined && !options.pubKeyCredParams.some(({ alg }) => alg === key.cose)) {
      throw new TwoFactorInputError(`The options do not allow ${this.#algorithm}.`);
    }
    const id = drawBytes(ID_BYTES);
    const rpId = options.rp.id;
    const passkey: StoredPasskey = {
      id: id.toString('base64url'),
      rpId,
      userHandle: options.user.id,
      key,
      counter: this.#isSynced ? 0 : 1,
    };
    this.#passkeys.push(passkey);
    const length = Buffer.from([id.length >>> 8, id.length & 0xff]);
    const attested = Buffer.concat([AAGUID, length, id, encodeCbor(key.publicKey)]);
    const authData = Buffer.concat([this.#header(passkey, FLAGS.attested, fault), attested]);
    const attestation = new Map<string, CborValue>([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', authData],
    ]);
    return {
      ...identifyingMembers(passkey.id, fault),
      response: {
        clientDataJSON: this.#clientData('webauthn.create', options.challenge, fault).toString(
          'base64url',
        ),
        attestationObject: encodeCbor(attestation).toString('base64url'),
        transports: this.#isSynced ? ['hybrid', 'internal'] : ['usb'],
      },
    };
  }

  /**
   * Signs with a passkey, as `navigator.credentials.get` does.
   *
   * @throws TwoFactorInputError when it holds none of `allowCredentials`.
   */
  get(options: PasskeyRequestOptions, fault?: AssertionFault): PasskeyAssertionResponse {
    assertDevelopment('SoftwareAuthenticator');
    const passkey = this.#findPasskey(options.allowCredentials);
    if (!passkey || passkey.rpId !== options.rpId) {
      throw new TwoFactorInputError(
        'The authenticator holds none of the passkeys that are allowed.',
      );
    }
    const authenticatorData = this.#header(this.#withReportedCounter(passkey, fault), 0, fault);
    const clientData = this.#clientData('webauthn.get', options.challenge, fault);
    const signed = Buffer.concat([
      authenticatorData,
      createHash('sha256').update(clientData).digest(),
    ]);
    const signature = passkey.key.sign(
      fault === 'wrong-signature' ? Buffer.concat([signed, AAGUID]) : signed,
      fault === 'other-algorithm' ? 'sha512' : 'sha256',
    );
    const userHandle =
      fault === 'wrong-user-handle'
        ? drawBytes(ID_BYTES).toString('base64url')
        : passkey.userHandle;
    return {
      ...identifyingMembers(passkey.id, fault),
      response: {
        clientDataJSON: clientData.toString('base64url'),
        authenticatorData: authenticatorData.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle,
      },
    };
  }

  #findPasskey(descriptors: readonly { readonly id: string }[]): StoredPasskey | undefined {
    return this.#passkeys.find(({ id }) => descriptors.some((descriptor) => descriptor.id === id));
  }

  /** The passkey with the counter that it reports. */
  #withReportedCounter(passkey: StoredPasskey, fault?: AssertionFault): StoredPasskey {
    if (fault === 'counter-backwards') {
      if (this.#isSynced) {
        throw new TwoFactorInputError('The counter of a synced passkey is always 0.');
      }
      return { ...passkey, counter: passkey.counter - 1 };
    }
    if (!this.#isSynced) passkey.counter += 1;
    return passkey;
  }

  /** Authenticator data without the credential (WebAuthn Level 3, 6.1). */
  #header({ rpId, counter }: StoredPasskey, more: number, fault?: AssertionFault): Buffer {
    const domain = fault === 'wrong-rp-id' ? `evil-${rpId}` : rpId;
    let flags = more | FLAGS.userPresent | FLAGS.userVerified | (this.#isSynced ? BACKUP : 0);
    if (fault === 'no-user-presence') flags &= ~FLAGS.userPresent;
    if (fault === 'no-user-verification') flags &= ~FLAGS.userVerified;
    if (fault === 'changed-backup-flag') flags ^= BACKUP;
    const count = Buffer.alloc(COUNTER_BYTES);
    count.writeUInt32BE(counter);
    return Buffer.concat([
      createHash('sha256').update(domain).digest(),
      Buffer.from([flags]),
      count,
    ]);
  }

  /** What the browser signs about the page (WebAuthn Level 3, 5.8.1). */
  #clientData(type: string, challenge: string, fault?: AssertionFault): Buffer {
    const other = type === 'webauthn.get' ? 'webauthn.create' : 'webauthn.get';
    const data = {
      type: fault === 'wrong-type' ? other : type,
      challenge:
        fault === 'wrong-challenge' ? drawBytes(ID_BYTES).toString('base64url') : challenge,
      origin: fault === 'wrong-origin' ? 'https://evil.example' : this.#origin,
      crossOrigin: fault === 'cross-origin' || fault === 'top-origin',
      ...(fault === 'top-origin' && { topOrigin: 'https://evil.example' }),
    };
    return Buffer.from(JSON.stringify(data));
  }
}

function identifyingMembers(
  id: string,
  fault?: AssertionFault,
): { readonly id: string; readonly rawId: string; readonly type: 'public-key' } {
  const told = fault === 'wrong-credential' ? drawBytes(ID_BYTES).toString('base64url') : id;
  return { id: told, rawId: told, type: 'public-key' };
}
