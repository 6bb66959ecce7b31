import type { KeyRing } from './key-ring.js';
import { lengthPrefixed } from './length-prefixed.js';
import { openText, sealText } from './sealed-text.js';

/** The content of an envelope: the code, its recipient and the data of a repeated message. Only the secret opens it. */
export interface EnvelopeContent {
  readonly code: string;
  /** Absent until the confirmation is bound to a phone number or address. */
  readonly token?: string | undefined;
  /** The sender's name, bound together with the phone number or address. */
  readonly way?: string | undefined;
  /** The data for the sender, such as a locale, kept for a repeated message. */
  readonly context?: { readonly [key: string]: unknown } | undefined;
  /**
   * `client` when a client named the phone number or address; absent when the application did. It selects the counters of the
   * row.
   */
  readonly tokenFrom?: 'client' | undefined;
  /** True when the confirmation was created without a message and therefore holds a pending slot. */
  readonly hasSlot?: true | undefined;
  /** Digests of the idempotency keys of repeated messages, so that the same key sends no second one. */
  readonly resendKeys?: readonly string[] | undefined;
  /** The party that caused a queued message, whose quotas the worker charges; absent for other messages. */
  readonly requester?: string | undefined;
  /** True when the code is the fixed one of a test recipient, to which nothing is sent. */
  readonly isTest?: true | undefined;
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
  /** `tokenFrom`: 1 when a client named the phone number or address. */
  readonly f?: 1 | undefined;
  /** `hasSlot`: 1 when the confirmation holds a pending slot. */
  readonly s?: 1 | undefined;
  readonly k?: readonly string[] | undefined;
  readonly r?: string | undefined;
  /** `isTest`: 1 when the code is fixed and nothing is sent. */
  readonly n?: 1 | undefined;
}

function toStored({
  code,
  token,
  way,
  context,
  tokenFrom,
  hasSlot,
  resendKeys,
  requester,
  isTest,
}: EnvelopeContent): StoredContent {
  return {
    c: code,
    t: token,
    w: way,
    x: context,
    f: tokenFrom === 'client' ? 1 : undefined,
    s: hasSlot ? 1 : undefined,
    k: resendKeys,
    r: requester,
    n: isTest ? 1 : undefined,
  };
}

function fromStored({ c, t, w, x, f, s, k, r, n }: StoredContent): EnvelopeContent {
  return {
    code: c,
    ...(t !== undefined && { token: t }),
    ...(w !== undefined && { way: w }),
    ...(x !== undefined && { context: x }),
    ...(f === 1 && { tokenFrom: 'client' }),
    ...(s === 1 && { hasSlot: true }),
    ...(k !== undefined && { resendKeys: k }),
    ...(r !== undefined && { requester: r }),
    ...(n === 1 && { isTest: true }),
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

/**
 * Seals a content under the ring's current key.
 *
 * @param nonce `NONCE_BYTES` random bytes, used for this envelope only.
 */
export function sealEnvelope(
  ring: KeyRing,
  content: EnvelopeContent,
  binding: EnvelopeBinding,
  nonce?: Buffer,
): string {
  return sealText(ring, JSON.stringify(toStored(content)), associatedData(binding), nonce);
}

/** Opens an envelope; `null` when its key is not in the ring, it is malformed, or it or its row was changed. */
export function openEnvelope(
  ring: KeyRing,
  envelope: string,
  binding: EnvelopeBinding,
): EnvelopeContent | null {
  const text = openText(ring, envelope, associatedData(binding));
  return text === null ? null : fromStored(JSON.parse(text) as StoredContent);
}
