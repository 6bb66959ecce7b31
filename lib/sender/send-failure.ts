import { brand } from '../errors/index.js';

/**
 * Why a message was not accepted:
 *
 * - `ours`: the provider refuses this application, such as its credentials or an empty account. A repeated call fails, too.
 * - `rate-limited`: too many messages for the moment.
 * - `transient`: the provider or the network failed for the moment.
 */
export type SendFailureKind = 'ours' | 'rate-limited' | 'transient';

/** The members of a `SendFailure` beside its message. */
export interface SendFailureOptions extends ErrorOptions {
  /** Whole seconds after which the provider takes messages again (`Retry-After`). More than a day counts as a day. @default null */
  readonly retryAfterSeconds?: number | null | undefined;
  /** Whether the provider may have accepted the message in spite of the failure, as after a time-out. @default false */
  readonly mayHaveArrived?: boolean | undefined;
  /** Whether every recipient is concerned, as by a refused connection: no caller can cause it by a choice of recipients. @default false */
  readonly concernsAll?: boolean | undefined;
}

/**
 * An error for sender backends to throw when they know the cause. Another error counts as `transient`, and its message as one that may
 * have arrived; for a recipient that can never be reached throw `TwoFactorRecipientError`. Callers of the module receive `TwoFactorSendError`, or for `ours`
 * `TwoFactorConfigurationError`.
 *
 * @example
 * ```ts
 * if (response.status === 429) throw new SendFailure('rate-limited', 'The gateway is busy.', { retryAfterSeconds: 30 });
 * if (response.status === 401) throw new SendFailure('ours', 'The gateway refuses the key.', { concernsAll: true });
 * ```
 * @publicApi
 */
export class SendFailure extends Error {
  static {
    brand(this, 'SendFailure');
  }

  override readonly name = 'SendFailure';
  readonly retryAfterSeconds: number | null;
  readonly mayHaveArrived: boolean;
  readonly concernsAll: boolean;

  constructor(
    readonly kind: SendFailureKind,
    message: string,
    {
      retryAfterSeconds = null,
      mayHaveArrived = false,
      concernsAll = false,
      ...options
    }: SendFailureOptions = {},
  ) {
    super(message, options);
    this.retryAfterSeconds = waitOf(retryAfterSeconds);
    this.mayHaveArrived = mayHaveArrived;
    this.concernsAll = concernsAll;
  }
}

const MAX_WAIT_SECONDS = 86_400;

/**
 * A provider may ask for any number. A wait beyond a day counts as a day: the code of the message expires before, and without a wait the
 * provider would be called again after seconds.
 */
function waitOf(seconds: number | null): number | null {
  if (!Number.isInteger(seconds) || seconds! < 0) return null;
  return Math.min(seconds!, MAX_WAIT_SECONDS);
}
