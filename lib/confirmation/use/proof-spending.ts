import type { TransactionSteps } from '../../database/index.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import type { ProofRefusal } from './proof-refusal.js';

/** A proof that a transaction of this package uses, together with the change that it is for. */
export interface ProofSpending {
  /** Uses the proof, and returns its row; `null` when it was refused, and the transaction must not go on then. */
  spend(): TransactionSteps<ConfirmationRow | null>;
  /** Publishes the use. To be called after the commit. */
  committed(): void;
  /**
   * Publishes the event of the refusal and returns its reason. It is called after the rollback, which an event must not precede.
   */
  refused(): Promise<ProofRefusal>;
}
