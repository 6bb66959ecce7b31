import {
  codeMac,
  drawBytes,
  ID_RANDOM_BYTES,
  newId,
  NONCE_BYTES,
  sealEnvelope,
  type EnvelopeContent,
} from '../../crypto/index.js';
import { BY_HAND } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { jsonInColumn, subjectInColumn } from '../model/ascii-columns.js';
import { bindingMac } from '../model/binding-match.js';
import { methodsValue } from '../model/methods.js';
import type { ParsedInput } from '../model/parse-input.js';
import type { NewConfirmation } from '../store/row-mapping.js';

/** What decides about a new row beside the caller's input. */
export interface NewRowContext {
  /** `null` for a confirmation that is confirmed from the start, by other methods alone, or that was begun by another method. */
  readonly code: string | null;
  /** The id that an idempotency key stands for; without a key the id is drawn. */
  readonly id: string | undefined;
  /** Whether the INSERT counts the first message as sent. The caller or the queue sends it after that. */
  readonly countsFirstMessage: boolean;
  readonly hasSlot: boolean;
  /** The party that caused a queued message; `undefined` for other messages. */
  readonly requester: string | undefined;
  /** Whether the code is the fixed one of a test recipient. */
  readonly isTest: boolean;
}

/** A row to be inserted, and the content that is sealed in its envelope. */
export interface NewRow {
  readonly row: NewConfirmation;
  readonly content: EnvelopeContent | null;
}

export function newRow(
  { binding, isConfirmed, meta, token, tokenFrom, way, methods, context, ttlMs }: ParsedInput,
  { code, id: givenId, countsFirstMessage, hasSlot, requester, isTest }: NewRowContext,
  { keyRing, maxAttempts, useWithinSeconds, clock }: ResolvedOptions,
): NewRow {
  const { purpose, subject, details } = binding;
  const now = clock.now();
  // One draw for the id and the nonce.
  const random = drawBytes(ID_RANDOM_BYTES + NONCE_BYTES);
  const id = givenId ?? newId(now, random.subarray(0, ID_RANDOM_BYTES));
  const nonce = random.subarray(ID_RANDOM_BYTES);
  const content: EnvelopeContent | null =
    code === null
      ? null
      : {
          code,
          token,
          way,
          context,
          tokenFrom: tokenFrom === 'client' ? tokenFrom : undefined,
          hasSlot: hasSlot || undefined,
          requester,
          isTest: isTest || undefined,
        };
  const row: NewConfirmation = {
    id,
    purpose,
    subject: subjectInColumn(subject),
    details: jsonInColumn(details),
    meta: jsonInColumn(meta),
    detailsMac: bindingMac(keyRing, id, details),
    maxAttempts,
    createdAt: now,
    expiresAt: now + ttlMs,
    way: way ?? '',
    methods: methodsValue(methods),
    codeMac: code === null ? null : codeMac(keyRing.current, id, code),
    envelope: content && sealEnvelope(keyRing, content, { id, purpose, subject }, nonce),
    failureKeys: null,
    slotKeys: null,
    sends: countsFirstMessage ? 1 : 0,
    lastSentAt: countsFirstMessage ? now : null,
    confirmedAt: isConfirmed ? now : null,
    confirmedBy: isConfirmed ? BY_HAND : null,
    useBefore: isConfirmed ? now + useWithinSeconds * 1_000 : null,
  };
  return { row, content };
}
