import type { QuotaLedger } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { QuotaScopeResolver } from '../model/quota-scope-resolver.js';
import { AtomicWriter } from './atomic.writer.js';
import type { ConfirmationWriter } from './confirmation-writer.js';
import type { ConfirmationStore } from './confirmation.store.js';
import { JoinedUpdateWriter } from './joined-update.writer.js';
import { StepwiseWriter } from './stepwise.writer.js';

/** The writer for an engine and a limit store: the one that needs the fewest statements there. */
export function chooseWriter(
  store: ConfirmationStore,
  ledger: QuotaLedger,
  scopes: QuotaScopeResolver,
  options: ResolvedOptions,
): ConfirmationWriter {
  const stepwise = new StepwiseWriter(store, ledger, scopes, options);
  const { clauses, joins } = ledger;
  if (clauses !== null) return new AtomicWriter(store, ledger, scopes, options, stepwise, clauses);
  return joins === null
    ? stepwise
    : new JoinedUpdateWriter(store, ledger, scopes, options, stepwise, joins);
}
