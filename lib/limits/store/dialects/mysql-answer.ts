import type { SqlValue, SqlValues } from '../../../database/index.js';
import type { QuotaRequest, QuotaUsage } from '../limit-store.interface.js';
import { quotaRow } from './quota-values.js';

/**
 * How a caller chooses among several exhausted quotas: the one with the longest wait, counted in units, and of equal waits the
 * first one in `precedence`.
 */
export interface RefusalOrder {
  readonly precedence: readonly string[];
  readonly unitMs: number;
}

/**
 * What the statement of `mysqlDialect` found, in the 53 bits that every driver returns exactly.
 *
 * - `charged`: all quotas were consumed.
 * - `refused`: none was. `exhausted` is the quota that the caller waits for, `null` where there are more of them than the
 *   answer can tell apart.
 * - `unknown`: a trigger of the table has reset the answer.
 */
export type ConsumeAnswer =
  | { readonly outcome: 'charged' }
  | {
      readonly outcome: 'refused';
      readonly exhausted: QuotaUsage | null;
      /** Whether the statement has written rows for quotas that had none. */
      readonly isRowAdded: boolean;
    }
  | { readonly outcome: 'unknown' };

/** The answer is `((units * RANKS + rank) * unitSpan + rest) * RANKS + found + 1`, and below RANKS when nothing was exhausted. */
export const RANKS = 64;
/** The largest number of rows that were there already, plus one. */
export const MAX_FOUND = RANKS - 1;
/** Stands for the wait of a permanent lock. Longer than any window, and in milliseconds small enough for the answer. */
export const PERMANENT_WAIT_MS = 2 ** 38;
/** A power of two that is more than the milliseconds of the largest unit. */
const UNIT_SPAN = 2 ** 19;

/** The order for a caller that gives none: the statement compares exact waits, in the order of the keys. */
const EXACT: RefusalOrder = { precedence: [], unitMs: 1 };

function unitSpan(unitMs: number): number {
  return unitMs === 1 ? 1 : UNIT_SPAN;
}

/** The values of the statement that looks at `charges` and consumes those that are not only checked. */
export function consumeValues(
  charges: readonly QuotaRequest[],
  now: number,
  { precedence, unitMs }: RefusalOrder = EXACT,
): SqlValues {
  const values: Record<string, SqlValue> = { unitMs, unitSpan: unitSpan(unitMs) };
  let consumed = 0;
  for (const [index, charge] of charges.entries()) {
    const { id, kind, allowed, endsAt } = quotaRow(charge, now);
    values[`id${index}`] = id;
    values[`kind${index}`] = kind;
    values[`allowed${index}`] = allowed;
    // A new row must not be a lock.
    values[`lookEnd${index}`] = kind === 'failures' ? 0 : endsAt;
    values[`rank${index}`] = String(rankOf(id, precedence));
    if (charge.checkOnly) continue;
    values[`paidId${consumed}`] = id;
    values[`paidKind${consumed}`] = kind;
    values[`paidAllowed${consumed}`] = allowed;
    values[`paidEnd${consumed}`] = endsAt;
    consumed += 1;
  }
  return values;
}

export function consumeAnswer(
  insertId: number,
  charges: readonly QuotaRequest[],
  now: number,
  { precedence, unitMs }: RefusalOrder = EXACT,
): ConsumeAnswer {
  if (insertId === 0) return { outcome: 'unknown' };
  if (insertId < RANKS) return { outcome: 'charged' };
  const isCountable = charges.length < MAX_FOUND;
  const found = (insertId % RANKS) - 1;
  const isRowAdded = !isCountable || found < charges.length;
  const ranked = Math.floor(insertId / RANKS);
  const span = unitSpan(unitMs);
  const [units, rank] = [Math.floor(ranked / span / RANKS), Math.floor(ranked / span) % RANKS];
  const charge = charges.find(({ key }) => rankOf(key, precedence) === rank);
  if (!isCountable || charge === undefined || precedence.length === 0) {
    return { outcome: 'refused', exhausted: null, isRowAdded };
  }
  const { key, rule } = charge;
  const waitMs = units * unitMs - (ranked % span);
  // A lock below the permanent one ends by its time, whatever the count of failures is.
  const amount = rule.kind === 'failures' && waitMs < PERMANENT_WAIT_MS ? 0 : rule.max;
  return { outcome: 'refused', exhausted: { key, amount, endsAt: now + waitMs }, isRowAdded };
}

/** Of two quotas with equal waits the higher rank is reported. */
function rankOf(key: string, precedence: readonly string[]): number {
  const place = precedence.indexOf(key);
  return place < 0 ? 0 : Math.max(MAX_FOUND - place, 0);
}
