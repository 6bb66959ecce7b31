import type { TableNames } from '../../database/index.js';
import type { LimitRecord } from '../limit-record.entity.js';

export type LimitTable = TableNames<keyof LimitRecord>;

/** What the engines' SQL of the budgets differs in. */
export interface LimitDialect {
  /** Whether `charge` sees by itself, in the same statement, that a budget is spent, and then touches none. */
  readonly chargesAllOrNothing: boolean;
  /** Charges `count` budgets, each guarded; answers `id`, `amount` and `endsAt` of those that it charged. */
  readonly charge: (table: LimitTable, count: number) => string;
  /** An UPDATE of the rows that meet the condition, locked in the order of their ids as `charge` does. */
  readonly updateInOrder: (table: LimitTable, assignments: string, condition: string) => string;
}

/** The lock after `amount` consecutive failures, as the time when it ends. */
export function lockEnd(amount: string, cast: (placeholder: string) => string): string {
  return (
    `CASE WHEN ${amount} < :lockFrom THEN 0 WHEN ${amount} - :lockFrom >= :doublings THEN :now + ${cast(':maxLockMs')} ` +
    `ELSE :now + (${cast(':lockMs')} << (${amount} - :lockFrom)) END`
  );
}
