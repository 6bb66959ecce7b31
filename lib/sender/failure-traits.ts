import { TwoFactorConfigurationError, TwoFactorRecipientError } from '../errors/index.js';
import { SendFailure } from './send-failure.js';

/** What an error of a sender backend says about its message. */
export interface FailureTraits {
  /**
   * `recipient`: the phone number or address can never be reached. `configuration`: a retry fails, too. `rate-limited` and
   * `temporary`: a retry may succeed.
   */
  readonly kind: 'recipient' | 'configuration' | 'rate-limited' | 'temporary';
  /** Seconds after which the provider takes messages again; `null` when its answer names no time. */
  readonly retryAfterSeconds: number | null;
  /** Whether the provider may have accepted the message all the same, as after a time-out. */
  readonly mayHaveArrived: boolean;
  /** Whether every recipient is concerned, so that no caller can cause the failure by a choice of recipients. */
  readonly concernsAll: boolean;
}

/**
 * Judges what a backend threw. The queue, the limits of prefixes and the failover all judge by this function: a message that one of them
 * takes for unsent must not be one that another takes for sent.
 *
 * An error without `mayHaveArrived` is taken for a refusal when it blames the recipient or the configuration, or when it names a wait.
 * Every other error leaves open whether the message arrived: `fetch failed` is also what a backend throws after a lost answer.
 *
 * @internal
 */
export function traitsOf(thrown: unknown): FailureTraits {
  try {
    const kind = kindOf(thrown);
    const told = (thrown ?? {}) as { retryAfterSeconds?: unknown; mayHaveArrived?: unknown };
    const { retryAfterSeconds: seconds, mayHaveArrived } = told;
    const retryAfterSeconds = typeof seconds === 'number' && seconds > 0 ? seconds : null;
    const isRefusal = isFinal(kind) || retryAfterSeconds !== null;
    return {
      kind,
      retryAfterSeconds,
      mayHaveArrived: typeof mayHaveArrived === 'boolean' ? mayHaveArrived : !isRefusal,
      concernsAll: thrown instanceof SendFailure && thrown.concernsAll,
    };
  } catch {
    // A backend may throw a proxy whose traps throw in turn.
    return {
      kind: 'temporary',
      retryAfterSeconds: null,
      mayHaveArrived: true,
      concernsAll: false,
    };
  }
}

function isFinal(kind: FailureTraits['kind']): boolean {
  return kind === 'recipient' || kind === 'configuration';
}

function kindOf(thrown: unknown): FailureTraits['kind'] {
  if (thrown instanceof TwoFactorRecipientError) return 'recipient';
  if (thrown instanceof TwoFactorConfigurationError) return 'configuration';
  if (!(thrown instanceof SendFailure)) return 'temporary';
  if (thrown.kind === 'ours') return 'configuration';
  return thrown.kind === 'rate-limited' ? 'rate-limited' : 'temporary';
}
