import {
  bindLists,
  statementSizeFor,
  type CallKind,
  type Deadline,
  type SqlValues,
  type Statement,
} from '../../database/index.js';
import type { DatabaseConsumeResult } from './consume-options.js';
import { FOUND_COUNT_BIT } from './dialects/mysql.dialect.js';
import { failureRuleOf, failureRuleValues, quotaRow } from './dialects/quota-values.js';
import type { LimitStatements } from './dialects/statements.js';
import type { QuotaRequest } from './limit-store.interface.js';
import { byKey } from './quota-order.js';

/** 24 calls take the bits 1 to 24 of the answer; the count of existing rows begins at bit 26. */
const MAX_CALLS = 24;
const MASK_DIGITS = 16;
const CONSUMED: DatabaseConsumeResult = { exhausted: [], consumed: [] };

/** A call that consumes windows, and checks failures. */
export interface ConsumingCall {
  /** The keys of the call's quotas with a single unit, such as a pending slot. Calls with a common key are never in one batch. */
  readonly keys: readonly string[];
  readonly charges: readonly QuotaRequest[];
  readonly owner: string;
  /** Consumes by a statement of its own. `mayHaveAddedRows`: a batch has refused the call, and may have written rows for it. */
  readonly single: (
    deadline: Deadline,
    mayHaveAddedRows: boolean,
  ) => Promise<DatabaseConsumeResult>;
}

/** What the calls of a batch want of one quota. */
interface MergedCharge {
  readonly charge: QuotaRequest;
  readonly owner: string;
  mask: number;
}

/** Whether one statement can consume for this call and for others: it consumes windows alone, and checks failures alone. */
export function isBatchable(charges: readonly QuotaRequest[]): boolean {
  return (
    charges.every(({ rule, checkOnly }) => checkOnly === (rule.kind === 'failures')) &&
    charges.some(({ checkOnly }) => !checkOnly)
  );
}

export function exclusiveKeys(charges: readonly QuotaRequest[]): string[] {
  return charges
    .filter(({ rule, checkOnly }) => !checkOnly && rule.max === 1)
    .map(({ key }) => key);
}

/**
 * Consumes the quotas of concurrent calls by one statement. It has no effect for a call of which one quota is exhausted: the statement
 * for that call alone says which one, and for how long.
 */
export function consumeKind(
  statements: LimitStatements,
  now: () => number,
): CallKind<ConsumingCall, DatabaseConsumeResult> {
  const mayHaveAddedRows = new WeakSet<ConsumingCall>();
  return {
    maxSize: MAX_CALLS,
    isNumbered: true,
    bind: (calls) => bindCalls(statements, calls, now()),
    answers: ({ insertId }, calls) => {
      if (insertId === 0) return null;
      const isRefused = (index: number): boolean => Math.floor(insertId / bitOf(index)) % 2 === 1;
      const found = Math.floor(insertId / FOUND_COUNT_BIT);
      const isRowAdded = found < statementSizeFor(mergedCharges(calls).length);
      return admissionsOf(calls).map((isAdmitted, index) => {
        if (isAdmitted && !isRefused(index)) return CONSUMED;
        if (isRowAdded) mayHaveAddedRows.add(calls[index]!);
        return null;
      });
    },
    single: (call, deadline) => call.single(deadline, mayHaveAddedRows.has(call)),
  };
}

function bitOf(index: number): number {
  return 2 ** (index + 1);
}

/** Left out are calls that exceed a quota with others of the batch: where a row is new, the statement would not notice that. */
function admissionsOf(calls: readonly ConsumingCall[]): boolean[] {
  const counts = new Map<string, number>();
  return calls.map(({ charges }) => {
    const paid = charges.filter(({ checkOnly }) => !checkOnly);
    if (paid.some(({ key, rule }) => (counts.get(key) ?? 0) >= rule.max)) return false;
    for (const { key } of paid) counts.set(key, (counts.get(key) ?? 0) + 1);
    return true;
  });
}

function mergedCharges(calls: readonly ConsumingCall[]): MergedCharge[] {
  const admissions = admissionsOf(calls);
  const demands = new Map<string, MergedCharge>();
  for (const [index, { charges, owner }] of calls.entries()) {
    if (!admissions[index]) continue;
    for (const charge of charges) {
      const demand = demands.get(charge.key);
      if (demand === undefined) demands.set(charge.key, { charge, owner, mask: bitOf(index) });
      else demand.mask += bitOf(index);
    }
  }
  return [...demands.values()].toSorted((one, other) => byKey(one.charge, other.charge));
}

function bindCalls(
  statements: LimitStatements,
  calls: readonly ConsumingCall[],
  now: number,
): { statement: Statement; values: ReturnType<typeof bindLists> } {
  const demands = mergedCharges(calls);
  const paid = demands.filter(({ charge }) => !charge.checkOnly);
  const look: SqlValues[] = demands.map(({ charge, mask }) => {
    const { id, kind, allowed, endsAt } = quotaRow(charge, now);
    // A new row must not be a lock.
    const end = kind === 'failures' ? 0 : endsAt;
    return { id, kind, allowed, end, owner: digits(mask) };
  });
  const charge: SqlValues[] = paid.map((demand) => {
    const { id, kind, allowed, endsAt } = quotaRow(demand.charge, now);
    return { id, kind, allowed, end: endsAt, owner: demand.owner + digits(demand.mask) };
  });
  const [looks, charges] = [statementSizeFor(look.length), statementSizeFor(charge.length)];
  // A repeated row has no calls: it is counted once.
  while (look.length < looks) look.push({ ...look.at(-1)!, owner: digits(0) });
  while (charge.length < charges) {
    const last = charge.at(-1)!;
    charge.push({ ...last, owner: `${String(last['owner']).slice(0, -MASK_DIGITS)}${digits(0)}` });
  }
  const statement = statements.consumeMany(looks, charges);
  const rule = failureRuleOf(calls.flatMap((call) => call.charges));
  const shared = { now, ...failureRuleValues(rule) };
  return { statement, values: bindLists(statement, { look, charge }, shared) };
}

function digits(mask: number): string {
  return String(mask).padStart(MASK_DIGITS, '0');
}
