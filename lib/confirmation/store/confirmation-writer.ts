import type { EntityManager } from 'typeorm';

import type { Deadline } from '../../database/index.js';
import type { PendingSlotRequest, QuotaDemand, QuotaReceipt } from '../../limits/index.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import type { QueuedMessage } from './dialects/queue-clauses.js';
import type { NewConfirmation } from './row-mapping.js';

/** A confirmation to be created, with the quotas that it consumes. */
export interface CreationRequest {
  readonly row: NewConfirmation;
  /** `null` for a confirmation that no quota limits: one without a code that the application makes. */
  readonly demand: (QuotaDemand & { readonly opens: PendingSlotRequest }) | null;
  /** The ids that the idempotency key stands for, that of the signing secret first; empty without a key. */
  readonly keyIds: readonly string[];
  readonly manager: EntityManager | undefined;
  /** The row of its first message in the queue; `null` for none. */
  readonly queued: QueuedMessage | null;
  /** The deadline of the whole call; `undefined` where the caller's transaction, or the one statement, has a limit of its own. */
  readonly deadline: Deadline | undefined;
}

/**
 * - `created`: the row is inserted, and `receipt` says what it has consumed.
 * - `repeated`: an earlier request with the same idempotency key has created `row`; nothing is consumed.
 * - `invisible`: such a row exists, but the caller's transaction does not see it.
 */
export type Creation =
  | { readonly outcome: 'created'; readonly receipt: QuotaReceipt | null }
  | { readonly outcome: 'repeated'; readonly row: ConfirmationRow }
  | { readonly outcome: 'invisible' };

/** A code to be compared, with the failure that it consumes. */
export interface VerificationRequest {
  readonly id: string;
  /** One candidate for each key of the ring. */
  readonly macs: readonly string[];
  /** The subject of the caller; empty for a caller without one, `null` for an application. */
  readonly scopedSubject: string | null;
  /** The row, when the caller has just read it and may access it. It saves a read where one is needed. */
  readonly seen: ConfirmationRow | undefined;
  /** The deadline of the whole call; `undefined` where the caller's transaction, or the one statement, has a limit of its own. */
  readonly deadline: Deadline | undefined;
}

/**
 * Only `compared` has counted an attempt and a failure; a right code has ended the failures again.
 *
 * - `ended`: the confirmation is confirmed, used, cancelled, expired or exhausted.
 * - `locked`: a failure quota refused the attempt, for the reason that `error` gives.
 * - `unknown`: there is no such confirmation for this caller.
 */
export type Verification =
  | {
      readonly outcome: 'compared';
      readonly row: ConfirmationRow;
      readonly isConfirmed: boolean;
      /** `null` when failures are not counted. */
      readonly failure: QuotaReceipt | null;
      /** What the method had read before the attempt was counted, for its own judgement; absent for a code. */
      readonly known?: object | undefined;
    }
  | { readonly outcome: 'ended'; readonly row: ConfirmationRow }
  | { readonly outcome: 'locked'; readonly row: ConfirmationRow; readonly error: unknown }
  | { readonly outcome: 'unknown' };

/** Writes a confirmation together with the quotas that limit it. There is one strategy for each kind of store. */
export interface ConfirmationWriter {
  /** @throws TwoFactorTooManyRequestsError, TwoFactorUnavailableError for an exhausted quota; nothing is consumed then. */
  create(request: CreationRequest): Promise<Creation>;
  verify(request: VerificationRequest): Promise<Verification>;
}

/** Injects the `ConfirmationWriter`. */
export const CONFIRMATION_WRITER = Symbol('ConfirmationWriter');
