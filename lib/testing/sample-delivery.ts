import { randomInt } from 'node:crypto';

import { ConfirmationState, type ConfirmationRow } from '../confirmation/index.js';
import { shortDigest, newId } from '../crypto/index.js';
import { canonicalToken } from '../limits/index.js';
import { BUILT_IN_TEXTS, DefaultMessageRenderer } from '../messages/index.js';
import type { Delivery } from '../sender/index.js';

const EXPIRES_IN_SECONDS = 600;
/** More digits than a default code has, so that no message contains the code by chance. */
const CODE_DIGITS = 9;

const RENDERER = new DefaultMessageRenderer({ texts: BUILT_IN_TEXTS, language: 'en', host: null });

/** A delivery as the module creates it, with a code that was just drawn. It is frozen, as the module's deliveries are read-only. */
export function sampleDelivery<Options>(
  token: string,
  options: Options,
  signal: AbortSignal = new AbortController().signal,
  codeDigits = CODE_DIGITS,
): Delivery<Options> {
  const code = Array.from({ length: codeDigits }, () => randomInt(10)).join('');
  const now = Date.now();
  const row: ConfirmationRow = {
    id: newId(now),
    purpose: 'login',
    subject: 'ann',
    details: null,
    detailsMac: '',
    meta: null,
    maxAttempts: 5,
    createdAt: now,
    expiresAt: now + EXPIRES_IN_SECONDS * 1_000,
    way: 'sample',
    methods: null,
    codeMac: null,
    envelope: 'sealed',
    attempts: 0,
    sends: 1,
    lastSentAt: now,
    confirmedAt: null,
    confirmedBy: null,
    factorId: null,
    useBefore: null,
    usedAt: null,
    useKey: null,
    cancelledAt: null,
  };
  const state = new ConfirmationState(row, {
    now: () => now,
    open: () => ({ code, token, way: row.way }),
    normalize: canonicalToken,
    confirmByHand: () => Promise.resolve(null),
  });
  return Object.freeze<Delivery<Options>>({
    token,
    code,
    state,
    name: row.way,
    options,
    verboseName: 'Sample',
    expiresInSeconds: EXPIRES_IN_SECONDS,
    context: Object.freeze({ language: 'en' }),
    render: async ({ product = '' } = {}) =>
      RENDERER.render({
        code,
        product,
        purpose: row.purpose,
        approves: [],
        language: 'en',
        expiresInSeconds: EXPIRES_IN_SECONDS,
        way: row.way,
      }),
    signal,
    idempotencyKey: shortDigest(row.id),
  });
}
