import type { ConfirmationRow } from '../../../lib/confirmation/index.js';

export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
export const ID = '01234567890123456789012345678901234g';

/** A pending confirmation as the store reads it. */
export function rowWith(values: Partial<ConfirmationRow> = {}): ConfirmationRow {
  return {
    id: ID,
    purpose: '',
    subject: '',
    details: null,
    detailsMac: '',
    meta: null,
    maxAttempts: 5,
    createdAt: NOW - 60_000,
    expiresAt: NOW + 540_000,
    way: '',
    methods: null,
    codeMac: 'v1.AAAAAAAA.mac',
    envelope: null,
    attempts: 0,
    sends: 0,
    lastSentAt: null,
    confirmedAt: null,
    confirmedBy: null,
    factorId: null,
    useBefore: null,
    usedAt: null,
    useKey: null,
    cancelledAt: null,
    ...values,
  };
}
