import type { Deadline } from '../../database/index.js';
import type { RefusalOrder } from './dialects/mysql-answer.js';
import type { ConsumeResult, QuotaUsage } from './limit-store.interface.js';

/** The options of `consume` that only the store of this package has, beyond the interface `LimitStore`. */
export interface ConsumeOptions {
  /** The deadline of the call that consumes the quotas: none is consumed after it. */
  readonly deadline?: Deadline | undefined;
  /** The keys of other pending slots, whose usages a refused call needs too. */
  readonly alternatives?: readonly string[] | undefined;
  /** Whether the usages after the consumption are needed. @default true */
  readonly reportsUsage?: boolean | undefined;
  /**
   * The order by which the statement chooses the one exhausted quota that the refusal reports. Absent when the refusal must
   * contain all exhausted quotas, which a read after the statement then finds.
   */
  readonly refusalOrder?: RefusalOrder | undefined;
}

export interface DatabaseConsumeResult extends ConsumeResult {
  /** After a refusal: the usages of the `alternatives`. */
  readonly others?: readonly QuotaUsage[];
}
