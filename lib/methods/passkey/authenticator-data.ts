import type { PasskeyRefusal } from './refusal.js';

/** The fixed part of authenticator data (WebAuthn Level 3, 6.1): the hash of the domain, the flags, and the counter. */
const HEADER_BYTES = 37;
const HASH_BYTES = 32;
const COUNTER_OFFSET = 33;
const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;
const BACKUP_ELIGIBLE = 0x08;
const BACKED_UP = 0x10;

/** The values in the fixed part of authenticator data. */
export interface AuthenticatorHeader {
  readonly rpIdHash: Buffer;
  readonly isUserPresent: boolean;
  readonly isUserVerified: boolean;
  /** Whether a provider may copy the passkey to other devices. It never changes during the life of a passkey. */
  readonly isBackupEligible: boolean;
  readonly isBackedUp: boolean;
  /** Advances with each signature, or is always 0. */
  readonly counter: number;
}

/** `null` for fewer bytes than the fixed part has. */
export function readHeader(bytes: Uint8Array): AuthenticatorHeader | null {
  if (bytes.byteLength < HEADER_BYTES) return null;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = data[HASH_BYTES]!;
  return {
    rpIdHash: data.subarray(0, HASH_BYTES),
    isUserPresent: (flags & USER_PRESENT) !== 0,
    isUserVerified: (flags & USER_VERIFIED) !== 0,
    isBackupEligible: (flags & BACKUP_ELIGIBLE) !== 0,
    isBackedUp: (flags & BACKED_UP) !== 0,
    counter: data.readUInt32BE(COUNTER_OFFSET),
  };
}

/**
 * The checks of registrations and assertions alike: the domain, the presence and verification of the person, consistent flags.
 */
export function headerRefusal(
  header: AuthenticatorHeader,
  rpIdHash: Buffer,
): PasskeyRefusal | null {
  if (!header.rpIdHash.equals(rpIdHash)) return 'rp-id';
  if (!header.isUserPresent) return 'user-presence';
  if (!header.isUserVerified) return 'user-verification';
  if (header.isBackedUp && !header.isBackupEligible) return 'backup-flags';
  return null;
}
