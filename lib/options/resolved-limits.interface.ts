import type { LimitsOptions, NetworkSendLimit, SendLimit } from './limits-options.interface.js';

/**
 * By whom the phone number or address of a message was named. `open`: by a client, which may name one that is not its own.
 * `bound`: by the application, for a subject. The two are counted apart, so that strangers cannot use up a subject's quota.
 */
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
  readonly requestsPerRequester: readonly SendLimit[];
  readonly sendsPerNetwork: readonly NetworkSendLimit[];
  /** `null` also where no sender has rules for phone numbers. */
  readonly sendsPerPrefix: {
    readonly mode: 'record' | 'deny';
    readonly prefixDigits: number;
    readonly min: number;
    readonly ratio: number;
    readonly windowMs: number;
  } | null;
  readonly sendsPerSender: readonly SendLimit[];
  readonly sendsInTotal: Readonly<Record<LimitClass, readonly SendLimit[]>>;
  readonly requester: LimitsOptions['requester'];
  readonly normalizeToken: LimitsOptions['normalizeToken'];
  readonly sprayDetection: { readonly confirmations: number; readonly perMs: number } | null;
}

/** Whether any message or request is counted, which needs the table of the limits. */
export function countsRequests(limits: ResolvedLimits): boolean {
  const {
    sendsPerToken,
    sendsPerRequester,
    requestsPerRequester,
    sendsPerNetwork,
    sendsPerPrefix,
    sendsPerSender,
    sendsInTotal,
  } = limits;
  const lists = [
    sendsPerToken.open,
    sendsPerToken.bound,
    sendsPerRequester,
    requestsPerRequester,
    sendsPerNetwork,
    sendsPerSender,
    sendsInTotal.open,
    sendsInTotal.bound,
  ];
  return sendsPerPrefix !== null || lists.some((list) => list.length > 0);
}
