import { createHash } from 'node:crypto';

const DIGEST_BYTES = 12;

/** A short digest of an idempotency key, for the envelope of one confirmation: 16 characters, however long the key is. */
export function shortDigest(key: string): string {
  return createHash('sha256').update(key).digest().toString('base64url', 0, DIGEST_BYTES);
}
