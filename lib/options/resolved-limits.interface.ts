import type { LimitsOptions, SendBudget } from './limits-options.interface.js';

/** The limits as the services see them; what is switched off is `null` or an empty list. */
export interface ResolvedLimits {
  readonly failures: {
    readonly lockFrom: number;
    readonly lockMs: number;
    readonly maxLockMs: number;
    readonly stopAt: number;
  } | null;
  /** How many. */
  readonly live: number | null;
  readonly sendsPerToken: readonly SendBudget[];
  readonly sendsPerStarter: readonly SendBudget[];
  readonly sendsPerSender: readonly SendBudget[];
  readonly sendsInTotal: readonly SendBudget[];
  readonly starter: LimitsOptions['starter'];
  readonly canonicalToken: LimitsOptions['canonicalToken'];
  readonly guessing: { readonly confirmations: number; readonly perMs: number } | null;
}
