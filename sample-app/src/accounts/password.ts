import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

/** OWASP Password Storage Cheat Sheet: 32 MiB, three lanes. */
const COST = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 2 ** 20 };
const BYTES = 32;
const NOBODY = Buffer.alloc(BYTES);

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password.normalize('NFC'), salt, BYTES, COST);
  return `${salt.toString('base64url')}.${hash.toString('base64url')}`;
}

/** Takes the same time when there is no hash, so that nobody learns who has an account. */
export async function isPasswordOf(hash: string | undefined, password: string): Promise<boolean> {
  const [salt = '', expected = ''] = hash?.split('.') ?? [];
  const actual = await derive(
    password.normalize('NFC'),
    Buffer.from(salt, 'base64url'),
    BYTES,
    COST,
  );
  const known = Buffer.from(expected, 'base64url');
  const isSame = timingSafeEqual(actual, known.length === BYTES ? known : NOBODY);
  return isSame && known.length === BYTES;
}
