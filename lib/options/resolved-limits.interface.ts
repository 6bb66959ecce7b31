import type { LimitsOptions, NetworkSendLimit, SendLimit } from './limits-options.interface.js';

/** `open`: a client named the token. `bound`: the application named the token for a subject. */
export type LimitClass = 'open' | 'bound';

/** The resolved limits. A limit that is switched off is `null` or an empty list. */
export interface ResolvedLimits {
  readonly failures: {
    readonly lockAfter: number;
    readonly lockMs: number;
    readonly maxLockMs: number;
    readonly permanentLockAfter: number;
  } | null;
  /** The most pending confirmations. */
  readonly pending: number | null;
  readonly sendsPerToken: Readonly<Record<LimitClass, readonly SendLimit[]>>;
  readonly sendsPerRequester: readonly SendLimit[];
  readonly sendsPerNetwork: readonly NetworkSendLimit[];
  readonly sendsPerSender: readonly SendLimit[];
  readonly sendsInTotal: Readonly<Record<LimitClass, readonly SendLimit[]>>;
  readonly requester: LimitsOptions['requester'];
  readonly normalizeToken: LimitsOptions['normalizeToken'];
  readonly sprayDetection: { readonly confirmations: number; readonly perMs: number } | null;
}

/** Whether any message is counted. */
export function limitsSends(limits: ResolvedLimits): boolean {
  const { sendsPerToken, sendsPerRequester, sendsPerNetwork, sendsPerSender, sendsInTotal } =
    limits;
  const lists = [
    sendsPerToken.open,
    sendsPerToken.bound,
    sendsPerRequester,
    sendsPerNetwork,
    sendsPerSender,
    sendsInTotal.open,
    sendsInTotal.bound,
  ];
  return lists.some((list) => list.length > 0);
}
