import type { QuotaLedger } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { QuotaScopeResolver } from '../model/quota-scope-resolver.js';
import { AtomicWriter } from './atomic.writer.js';
import type { ConfirmationWriter } from './confirmation-writer.js';
import type { ConfirmationStore } from './confirmation.store.js';
import { StepwiseWriter } from './stepwise.writer.js';

/** The writer for an engine and a limit store: the atomic one where a statement of this engine can consume the quotas. */
export function openWriter(
  store: ConfirmationStore,
  ledger: QuotaLedger,
  scopes: QuotaScopeResolver,
  options: ResolvedOptions,
): ConfirmationWriter {
  const stepwise = new StepwiseWriter(store, ledger, scopes, options);
  const { clauses } = ledger;
  return clauses === null
    ? stepwise
    : new AtomicWriter(store, ledger, scopes, options, stepwise, clauses);
}
