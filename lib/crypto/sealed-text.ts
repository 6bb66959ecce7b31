import { createCipheriv, createDecipheriv } from 'node:crypto';

import { drawBytes } from './draw-bytes.js';
import type { KeyRing } from './key-ring.js';

const CIPHER = 'aes-256-gcm';
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Decodes base64url strictly. Node ignores invalid characters and spare bits, so several texts would decode to the same bytes. */
export function decodeBase64Url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

/**
 * Seals a text by AES-256-GCM (NIST SP 800-38D) under the ring's current key: `v1.kid.nonce.ciphertext.tag`, in base64url.
 *
 * @param associatedData what the sealed text belongs to: it can be opened with the same bytes only.
 * @param nonce `NONCE_BYTES` random bytes, used for this text only.
 */
export function sealText(
  ring: KeyRing,
  text: string,
  associatedData: Buffer,
  nonce = drawBytes(NONCE_BYTES),
): string {
  const cipher = createCipheriv(CIPHER, ring.current.seal, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData);
  const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  const parts = [nonce, ciphertext, cipher.getAuthTag()];
  return ['v1', ring.current.kid, ...parts.map((part) => part.toString('base64url'))].join('.');
}

/** Opens a sealed text; `null` when its key is not in the ring, it is malformed, or it belongs to something else. */
export function openText(ring: KeyRing, sealed: string, associatedData: Buffer): string | null {
  const key = ring.keyOf(sealed);
  const [, , ...texts] = sealed.split('.');
  const [nonce, ciphertext, tag, ...rest] = texts.map(decodeBase64Url);
  if (!key || !nonce || !ciphertext || !tag || rest.length > 0) return null;
  try {
    const decipher = createDecipheriv(CIPHER, key.seal, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData);
    decipher.setAuthTag(tag);
    const bytes = [decipher.update(ciphertext), decipher.final()];
    return Buffer.concat(bytes).toString('utf8');
  } catch {
    // GCM rejects a text that was not sealed for this place. The caller does not need the reason.
    return null;
  }
}
