import { createCipheriv, createDecipheriv } from 'node:crypto';

import { drawBytes } from './draw-bytes.js';
import type { KeyRing } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';

const CIPHER = 'aes-256-gcm';
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The content of an envelope: the code, its recipient and the data of a repeated message. Only the secret opens it. */
export interface EnvelopeContent {
  readonly code: string;
  /** Absent until the confirmation is bound to a token. */
  readonly token?: string | undefined;
  /** The sender's name, bound together with the token. */
  readonly way?: string | undefined;
  /** The data for the sender, such as a locale, kept for a repeated message. */
  readonly context?: { readonly [key: string]: unknown } | undefined;
  /** `client` when a client named the token; absent when the application did. It selects the counters of the row. */
  readonly tokenFrom?: 'client' | undefined;
  /** True when the confirmation was created without a message and therefore holds a pending slot. */
  readonly hasSlot?: true | undefined;
}

/**
 * The content as it is stored, under short names. PostgreSQL updates a row in place (HOT) only when the new version fits
 * into the same half-filled page; with long names a batch of updates no longer fits (test/engines/growth).
 */
interface StoredContent {
  readonly c: string;
  readonly t?: string | undefined;
  readonly w?: string | undefined;
  readonly x?: { readonly [key: string]: unknown } | undefined;
  /** 1 when a client named the token. */
  readonly f?: 1 | undefined;
  /** 1 when the confirmation holds a pending slot. */
  readonly s?: 1 | undefined;
}

function toStored({
  code,
  token,
  way,
  context,
  tokenFrom,
  hasSlot,
}: EnvelopeContent): StoredContent {
  return {
    c: code,
    t: token,
    w: way,
    x: context,
    f: tokenFrom === 'client' ? 1 : undefined,
    s: hasSlot ? 1 : undefined,
  };
}

function fromStored({ c, t, w, x, f, s }: StoredContent): EnvelopeContent {
  return {
    code: c,
    ...(t !== undefined && { token: t }),
    ...(w !== undefined && { way: w }),
    ...(x !== undefined && { context: x }),
    ...(f === 1 && { tokenFrom: 'client' }),
    ...(s === 1 && { hasSlot: true }),
  };
}

/** The columns that an envelope is bound to. If one of them is changed, the envelope cannot be opened. */
export interface EnvelopeBinding {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
}

function associatedData(binding: EnvelopeBinding): Buffer {
  return lengthPrefixed('v1', binding.id, binding.purpose, binding.subject);
}

/** Decodes base64url strictly. Node ignores invalid characters and spare bits, so several texts would decode to the same bytes. */
function strictBytes(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

/**
 * Seals a content by AES-256-GCM (NIST SP 800-38D) under the ring's current key: `v1.kid.nonce.ciphertext.tag`, in base64url.
 *
 * @param nonce `NONCE_BYTES` random bytes, used for this envelope only.
 */
export function sealEnvelope(
  ring: KeyRing,
  content: EnvelopeContent,
  binding: EnvelopeBinding,
  nonce = drawBytes(NONCE_BYTES),
): string {
  const cipher = createCipheriv(CIPHER, ring.current.seal, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(binding));
  const ciphertext = Buffer.concat([
    cipher.update(JSON.stringify(toStored(content)), 'utf8'),
    cipher.final(),
  ]);
  const parts = [nonce, ciphertext, cipher.getAuthTag()];
  return ['v1', ring.current.kid, ...parts.map((part) => part.toString('base64url'))].join('.');
}

/** Opens an envelope; `null` when its key is not in the ring, it is malformed, or it or its row was changed. */
export function openEnvelope(
  ring: KeyRing,
  envelope: string,
  binding: EnvelopeBinding,
): EnvelopeContent | null {
  const key = ring.keyOf(envelope);
  const [, , ...texts] = envelope.split('.');
  const [nonce, ciphertext, tag, ...rest] = texts.map(strictBytes);
  if (!key || !nonce || !ciphertext || !tag || rest.length > 0) return null;
  try {
    const decipher = createDecipheriv(CIPHER, key.seal, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(binding));
    decipher.setAuthTag(tag);
    const bytes = [decipher.update(ciphertext), decipher.final()];
    return fromStored(JSON.parse(Buffer.concat(bytes).toString('utf8')) as StoredContent);
  } catch {
    // GCM rejects an envelope that was not sealed for this row. The caller does not need the reason.
    return null;
  }
}
