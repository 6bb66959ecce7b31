import { TwoFactorUnavailableError } from '../../errors/index.js';
import type { QuotaKeys } from '../../limits/index.js';
import type { ConfirmationRecord, ConfirmationRow } from '../model/confirmation-record.entity.js';
import { subjectFromColumn } from '../model/ascii-columns.js';
import { parseFrozen } from '../model/plain-json.js';

/** The members of a row that an INSERT leaves to their defaults, because only later statements set them. */
type SetLater = 'attempts' | 'factorId' | 'usedAt' | 'useKey' | 'cancelledAt' | 'isFactorGone';

/**
 * A row that is not inserted yet. A new column belongs to it unless it is named above; `newRow`, `INSERTED_VALUES` and `INSERTED_TYPES` do not
 * compile without it then, as `rowAfterInsert` and `rowFromRecord` do not without any column.
 */
export type NewConfirmation = Omit<ConfirmationRow, SetLater | 'details' | 'meta'> &
  QuotaKeys & {
    /** JSON texts, as their columns hold them; so is the subject. */
    readonly details: string | null;
    readonly meta: string | null;
  };

/** The name in a result for what `foundColumns` asks: 1 when the factor that confirmed the row is gone. */
export const FACTOR_GONE = 'factor_gone';

/** The row as it is after its INSERT. */
export function rowAfterInsert(row: NewConfirmation): ConfirmationRow {
  return {
    id: row.id,
    purpose: row.purpose,
    subject: subjectFromColumn(row.subject),
    details: json(row.details),
    detailsMac: row.detailsMac,
    meta: json(row.meta),
    maxAttempts: row.maxAttempts,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    way: row.way,
    methods: row.methods,
    codeMac: row.codeMac,
    envelope: row.envelope,
    attempts: 0,
    sends: row.sends,
    lastSentAt: row.lastSentAt,
    confirmedAt: row.confirmedAt,
    confirmedBy: row.confirmedBy,
    factorId: null,
    useBefore: row.useBefore,
    usedAt: null,
    useKey: null,
    cancelledAt: null,
    isFactorGone: false,
  };
}

/** The row that a statement returned. */
export function rowFromRecord(raw: Readonly<Record<string, unknown>>): ConfirmationRow {
  const record = raw as unknown as Record<keyof ConfirmationRecord, string & number>;
  return {
    id: record.id,
    purpose: record.purpose,
    subject: subjectFromColumn(record.subject),
    details: json(record.details),
    detailsMac: record.detailsMac,
    meta: json(record.meta),
    maxAttempts: Number(record.maxAttempts),
    createdAt: Number(record.createdAt),
    expiresAt: Number(record.expiresAt),
    way: record.way,
    methods: record.methods,
    codeMac: record.codeMac,
    envelope: record.envelope,
    attempts: Number(record.attempts),
    sends: Number(record.sends),
    lastSentAt: time(record.lastSentAt),
    confirmedAt: time(record.confirmedAt),
    confirmedBy: record.confirmedBy,
    factorId: record.factorId,
    useBefore: time(record.useBefore),
    usedAt: time(record.usedAt),
    useKey: record.useKey,
    cancelledAt: time(record.cancelledAt),
    isFactorGone: Number(raw[FACTOR_GONE] ?? 0) === 1,
  };
}

function time(value: number | string | null): number | null {
  return value === null ? null : Number(value);
}

function json(text: string | null): unknown {
  return text === null ? null : parseStoredJson(text);
}

/**
 * Parses JSON of a column. A text that is no JSON, because the row was changed by hand, is reported as an error of this package:
 * a `SyntaxError` would become a 500 without a remedy.
 */
function parseStoredJson(text: string): unknown {
  try {
    return parseFrozen(text);
  } catch (cause) {
    throw new TwoFactorUnavailableError(
      'A confirmation holds details or meta that are no JSON: its row was changed by hand. Restore it, or delete it.',
      { cause, retryAfterSeconds: null },
    );
  }
}
