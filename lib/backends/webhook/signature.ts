import { createHmac, timingSafeEqual } from 'node:crypto';

import { MIN_SECRET_BITS, secretBits } from '../../options/secret-strength.js';

/** The headers of Standard Webhooks 1.0 (https://www.standardwebhooks.com), which has libraries for many languages. */
export const ID_HEADER = 'webhook-id';
export const TIMESTAMP_HEADER = 'webhook-timestamp';
export const SIGNATURE_HEADER = 'webhook-signature';

const PREFIX = 'whsec_';
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;
/** A header with more signatures is not that of a sender that renews its key. */
const MAX_SIGNATURES = 10;

export const KEY_RULE = `whsec_ and the base64 of ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} random bytes (echo "whsec_$(openssl rand -base64 32)")`;

/** The bytes of a signing key; `null` for a text that is malformed, or too simple to be random. */
export function keyOf(text: unknown): Buffer | null {
  if (typeof text !== 'string' || !text.startsWith(PREFIX)) return null;
  const encoded = text.slice(PREFIX.length);
  const key = Buffer.from(encoded, 'base64');
  if (key.length < MIN_KEY_BYTES || key.length > MAX_KEY_BYTES) return null;
  if (key.toString('base64') !== encoded || secretBits(key) < MIN_SECRET_BITS) return null;
  return key;
}

/** `v1,` and the base64 of the HMAC-SHA-256 of id, timestamp and body, separated by dots. */
export function signatureOf(key: Buffer, id: string, timestamp: string, body: string): string {
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return `v1,${mac}`;
}

/** Whether one of the signatures of a header is right. The comparison takes the same time for every wrong one. */
export function hasSignature(header: string, expected: string): boolean {
  const wanted = Buffer.from(expected);
  return header
    .split(' ', MAX_SIGNATURES)
    .map((signature) => Buffer.from(signature))
    .some((given) => given.length === wanted.length && timingSafeEqual(given, wanted));
}
