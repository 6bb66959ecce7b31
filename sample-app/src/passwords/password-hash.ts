import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

import { Injectable } from '@nestjs/common';

const scryptAsync = promisify<string, Buffer, number, object, Buffer>(scrypt);

/** OWASP Password Storage Cheat Sheet: 32 MiB and three passes. One computation takes a tenth of a second or more. */
const COST = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 2 ** 20 };
const BYTES = 32;
const NO_HASH = Buffer.alloc(BYTES);

/** The arithmetic of passwords. Only `PasswordService` calls it, because every call is expensive. */
@Injectable()
export class PasswordHash {
  /** A stored hash can only be checked with the cost that it was made with. */
  readonly cost = COST;

  async make(password: string): Promise<string> {
    const salt = randomBytes(16);
    const hash = await this.derive(password, salt);
    return `${salt.toString('base64url')}.${hash.toString('base64url')}`;
  }

  /** Computes the same amount without a hash, so that the time does not tell which addresses have an account. */
  async matches(hash: string | undefined, password: string): Promise<boolean> {
    const [salt = '', expected = ''] = hash?.split('.') ?? [];
    const actual = await this.derive(password, Buffer.from(salt, 'base64url'));
    const known = Buffer.from(expected, 'base64url');
    const isSame = timingSafeEqual(actual, known.length === BYTES ? known : NO_HASH);
    return isSame && known.length === BYTES;
  }

  /** Every scrypt computation of the application. */
  derive(password: string, salt: Buffer): Promise<Buffer> {
    return scryptAsync(password.normalize('NFC'), salt, BYTES, this.cost);
  }
}
