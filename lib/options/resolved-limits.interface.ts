import type { LimitsOptions, SendBudget } from './limits-options.interface.js';

/** The limits as the services see them; what is switched off is `null` or an empty list. */
export interface ResolvedLimits {
  readonly failures: {
    readonly lockAfter: number;
    readonly lockMs: number;
    readonly maxLockMs: number;
    readonly permanentLockAfter: number;
  } | null;
  /** How many. */
  readonly pending: number | null;
  readonly sendsPerToken: readonly SendBudget[];
  readonly sendsPerRequester: readonly SendBudget[];
  readonly sendsPerSender: readonly SendBudget[];
  readonly sendsInTotal: readonly SendBudget[];
  readonly requester: LimitsOptions['requester'];
  readonly normalizeToken: LimitsOptions['normalizeToken'];
  readonly guessing: { readonly confirmations: number; readonly perMs: number } | null;
}
