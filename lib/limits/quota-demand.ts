import type { NamedQuota } from './named-quota.js';
import type { LimitedMessage, QuotaScope, MessagelessRequest } from './quota-planner.js';
import type { QuotaUsage } from './store/limit-store.interface.js';
import type { QuotaRow } from './store/dialects/quota-values.js';

/** A new confirmation, a message, or both. */
export interface QuotaDemand extends QuotaScope {
  /** The confirmation that the call creates, if any. It takes a pending slot when neither `sends` nor `unsent` is set. */
  readonly opens?: PendingSlotRequest | undefined;
  readonly sends?: LimitedMessage | undefined;
  /** Set for a confirmation that a client begins without a message: it is counted for its requester. */
  readonly unsent?: MessagelessRequest | undefined;
}

/** The confirmation that will hold a slot, and for how long. */
export interface PendingSlotRequest {
  readonly id: string;
  readonly ttlMs: number;
}

/** What a call has consumed, to be refunded if what it was for does not happen. */
export interface QuotaReceipt {
  readonly charges: readonly NamedQuota[];
  readonly levels: readonly QuotaUsage[];
}

/** What a new confirmation consumes in its own statement, with one of the slots that would do. */
export interface CreationQuota {
  readonly charges: readonly NamedQuota[];
  readonly owner: string;
  readonly rows: (now: number) => readonly QuotaRow[];
  /** The keys of its slot: two calls that want the same slot are not batched together. */
  readonly exclusive: readonly string[];
}

/** What a new confirmation needs: quotas that every attempt consumes, and one candidate for each slot. */
export interface CreationPlan {
  readonly unconditional: readonly NamedQuota[];
  readonly slots: readonly (readonly NamedQuota[])[];
  /** For each slot one candidate: all unconditional quotas and that slot. Without slots one candidate: the unconditional quotas. */
  readonly candidates: readonly CreationQuota[];
}

/** The keys of the counters that the statements of a confirmation write; `null` where these statements write no such counter. */
export type QuotaKeys = {
  readonly failureKeys: string | null;
  readonly slotKeys: string | null;
};
