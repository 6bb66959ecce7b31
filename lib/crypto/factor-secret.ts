import { createHash } from 'node:crypto';

import type { KeyRing } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';
import { openText, sealText } from './sealed-text.js';

/**
 * The columns that the data of a factor is bound to: all that says whose it is, what answers it and from when to when. If one of
 * them is changed, the data cannot be opened. The label and what each use writes are not among them.
 */
export interface FactorBinding {
  readonly id: string;
  readonly subject: string;
  readonly method: string;
  readonly handle: string | null;
  /**
   * The counter where it never changes, such as that of a pending enrolment, which says what it was begun beside, or of a device, which
   * names the factor that remembered it; `null` where each use writes it.
   */
  readonly fixedCounter: number | null;
  readonly createdAt: number;
  readonly activatedAt: number | null;
  readonly expiresAt: number | null;
}

/** Another label than that of the envelopes, so that neither can be opened in the place of the other. */
function associatedData(binding: FactorBinding): Buffer {
  const { id, subject, method, handle, fixedCounter, createdAt, activatedAt, expiresAt } = binding;
  return lengthPrefixed(
    'v1/factor',
    id,
    subject,
    method,
    handle ?? '',
    String(createdAt),
    String(fixedCounter),
    String(activatedAt),
    String(expiresAt),
  );
}

/**
 * Seals the data of a factor, such as the secret of an authenticator app or the key of a passkey. A factor without data has an
 * empty text sealed: what it is bound to needs the tag all the same.
 */
export function sealFactorData(ring: KeyRing, data: string, binding: FactorBinding): string {
  return sealText(ring, data, associatedData(binding));
}

/** Opens the data of a factor; `null` when its key is not in the ring, or it or its row was changed. */
export function openFactorData(
  ring: KeyRing,
  sealed: string,
  binding: FactorBinding,
): string | null {
  return openText(ring, sealed, associatedData(binding));
}

/**
 * 64 hexadecimal characters that stand for a secret which is too long to be guessed. It has no key: a hash of 112 bits and
 * more needs none (NIST SP 800-63B-4 3.1.2.2), and a keyed one would end with its secret. The tag of the row's data covers it, so
 * that a writer to the database cannot put a hash of its own there.
 */
export function plainHash(...parts: readonly string[]): string {
  return createHash('sha256')
    .update(lengthPrefixed(...parts))
    .digest('hex');
}
