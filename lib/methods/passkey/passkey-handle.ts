import { createHash } from 'node:crypto';

/**
 * SHA-256 of a credential id in 64 hexadecimal characters, by which a passkey is stored and found. Ids have up to 1,023 bytes, more
 * than every index takes, and base64url texts that differ in case alone are equal to some databases.
 *
 * @param id in base64url.
 */
export function passkeyHandle(id: string): string {
  return createHash('sha256').update(Buffer.from(id, 'base64url')).digest('hex');
}
