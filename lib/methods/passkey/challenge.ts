import { createHmac } from 'node:crypto';

import type { DerivedKeys, KeyRing } from '../../crypto/index.js';
import { lengthPrefixed } from '../../crypto/length-prefixed.js';
import { TwoFactorUnknownSecretError } from '../../errors/index.js';

/** The columns of a confirmation that an assertion signs. None of them changes after the row was made. */
export interface ChallengedConfirmation {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** The names of the methods that may confirm it, as the row stores them. */
  readonly methods: readonly string[];
  /** `v1.kid.mac`: binds what is approved, and names the key of the challenge. */
  readonly detailsMac: string;
}

/** A pending enrolment. */
export interface ChallengedFactor {
  readonly factorId: string;
  readonly subject: string;
}

/**
 * The challenge of one confirmation: the same for each call, and stored nowhere. An assertion for another confirmation, subject or
 * amount signs another challenge.
 *
 * It is computed under the key that `detailsMac` names. Under the current key, an assertion would fail when a secret is added
 * between the challenge and its answer.
 *
 * @returns 32 bytes in base64url.
 * @throws TwoFactorUnknownSecretError when that key is not in the ring.
 */
export function confirmationChallenge(ring: KeyRing, row: ChallengedConfirmation): string {
  const key = ring.keyOf(row.detailsMac);
  if (key === undefined) {
    throw new TwoFactorUnknownSecretError(
      'The confirmation was made under a secret that is no longer in the ring, or its row was changed. Request a new one.',
    );
  }
  // Names of methods contain no comma, so that two lists never become one text.
  const methods = row.methods.join(',');
  return challenge(key, 'passkey-challenge', [
    row.id,
    row.purpose,
    row.subject,
    methods,
    row.detailsMac,
  ]);
}

/**
 * The challenges of one pending enrolment, one for each key of the ring and the current one first: a secret may be added between
 * the two steps of an enrolment.
 */
export function registrationChallenges(ring: KeyRing, factor: ChallengedFactor): string[] {
  return ring.keys.map((key) =>
    challenge(key, 'passkey-registration', [factor.factorId, factor.subject]),
  );
}

/** The label keeps the challenges of the two ceremonies, and all other MACs of the key, apart. */
function challenge(key: DerivedKeys, label: string, parts: readonly string[]): string {
  return createHmac('sha256', key.mac)
    .update(lengthPrefixed(label, ...parts))
    .digest('base64url');
}
