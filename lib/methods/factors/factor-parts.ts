import type { QuotaLedger } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { FactorChanges } from './factor-changes.js';
import type { FactorEvents } from './factor-events.js';
import type { FactorStore } from './factor.store.js';

/** What the parts of `FactorService` share. There are none without the option `methods`. */
export interface FactorParts {
  readonly store: FactorStore;
  readonly changes: FactorChanges;
  readonly events: FactorEvents;
  readonly ledger: QuotaLedger;
  readonly options: ResolvedOptions;
}
