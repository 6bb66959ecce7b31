import { createHash } from 'node:crypto';

import type { KeyRing } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';
import { openText, sealText } from './sealed-text.js';

/** The columns that the secret of a factor is bound to. If one of them is changed, the secret cannot be opened. */
export interface FactorBinding {
  readonly id: string;
  readonly subject: string;
}

/** Another label than that of the envelopes, so that neither can be opened in the place of the other. */
function associatedData({ id, subject }: FactorBinding): Buffer {
  return lengthPrefixed('v1/factor', id, subject);
}

/** Seals the secret of a factor, such as that of an authenticator app. */
export function sealFactorSecret(ring: KeyRing, secret: string, binding: FactorBinding): string {
  return sealText(ring, secret, associatedData(binding));
}

/** Opens the secret of a factor; `null` when its key is not in the ring, or it or its row was changed. */
export function openFactorSecret(
  ring: KeyRing,
  sealed: string,
  binding: FactorBinding,
): string | null {
  return openText(ring, sealed, associatedData(binding));
}

/**
 * 64 hexadecimal characters that stand for a secret which is too long to be guessed. It has no key: a hash of 112 bits and
 * more needs none (NIST SP 800-63B-4 3.1.2.2), and a keyed one would end with its secret.
 */
export function plainHash(...parts: readonly string[]): string {
  return createHash('sha256')
    .update(lengthPrefixed(...parts))
    .digest('hex');
}
