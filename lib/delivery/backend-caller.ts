import { Injectable, Logger } from '@nestjs/common';

import { EventPublisher } from '../confirmation/index.js';
import { keyDigest, shortId } from '../crypto/index.js';
import { TwoFactorConfigurationError, TwoFactorRecipientError } from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { SendFailure, type Delivery } from '../sender/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { withTimeout } from '../with-timeout.js';
import { MessageWriter } from './message-writer.js';
import type { RecordedMessage } from './message.js';
import { describeThrown, redact } from './redact.js';

/** Why a backend did not accept a message. */
export interface BackendFailure {
  /**
   * `recipient`: the phone number or address can never be reached. `configuration`: a retry fails, too. `rate-limited` and
   * `temporary`: a retry may succeed.
   */
  readonly kind: 'recipient' | 'configuration' | 'rate-limited' | 'temporary';
  /** The backend's message, without the code and the phone number or address. */
  readonly reason: string;
  /** Seconds after which the provider takes messages again; `null` when its answer names no time. */
  readonly retryAfterSeconds: number | null;
  /** Whether the provider may have accepted the message all the same, as after a time-out. */
  readonly mayHaveArrived: boolean;
}

/**
 * Calls sender backends: within `sendTimeoutMs`, and so that no error of a provider carries a code, a phone number or an address.
 */
@Injectable()
export class BackendCaller {
  readonly #logger = new Logger(BackendCaller.name);

  constructor(
    private readonly writer: MessageWriter,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /** @returns `null` when the backend accepted the message, and for a test recipient, whose message no backend is given. */
  async call(message: RecordedMessage): Promise<BackendFailure | null> {
    const { content, row, sender, state } = message;
    if (content.isTest) {
      this.#logger.warn(
        `Confirmation ${shortId(state.id)} by sender ${sender.name} is for a test recipient: nothing was sent, and a fixed code confirms it.`,
      );
      this.publisher.testRecipientUsed(row);
      return null;
    }
    const { sendTimeoutMs } = this.options;
    const reported = new Map<unknown, BackendFailure>();
    const report = (provider: string, failure: unknown): void => {
      reported.set(failure, this.#report(message, provider, failure));
    };
    try {
      await withTimeout(sendTimeoutMs, (signal) => this.#send(message, signal, report));
      this.publisher.sent(row);
      return null;
    } catch (error) {
      return reported.get(error) ?? this.#report(message, '', error);
    }
  }

  #send(message: RecordedMessage, signal: AbortSignal, report: Delivery['report']): unknown {
    const { sender, content, state, row } = message;
    const { name, options, verboseName } = sender;
    const { token, code, context = {} } = content;
    const leftMs = state.expiresAt.getTime() - this.options.clock.now();
    const expiresInSeconds = Math.floor(leftMs / 1_000);
    return sender.send({
      token,
      code,
      state,
      name,
      options,
      verboseName,
      expiresInSeconds,
      context,
      render: ({ product } = {}) =>
        this.writer.write({ code, state, context, expiresInSeconds, product, way: name }),
      signal,
      idempotencyKey: keyDigest(`${row.id} ${row.sends}`),
      report,
    });
  }

  /** @param provider The provider's name among those of the sender; empty for a sender with one provider. */
  #report(
    { sender, content, state }: RecordedMessage,
    provider: string,
    error: unknown,
  ): BackendFailure {
    const { code, token } = content;
    const reason = redact(describeThrown(error), code, token);
    const cause = causeOf(error);
    const answer = cause === null ? reason : redact(describeThrown(cause), code, token);
    const why = cause === null ? reason : `${reason} (${answer})`;
    const by = provider === '' ? '' : ` by ${provider}`;
    this.#logger.warn(
      `Sender ${sender.name} did not deliver confirmation ${shortId(state.id)}${by}: ${why}`,
    );
    const kind = kindOf(error);
    if (kind === 'configuration' || kindOf(cause) === 'configuration') {
      const concernsAll = kind === 'configuration' && isSendFailure(error) && error.concernsAll;
      this.publisher.senderBroken({ way: sender.name, provider, concernsAll, reason: answer });
    }
    return { kind, reason, ...waitOf(error) };
  }
}

/** The members of a backend's error beside its message. An error that names a time for a retry has certainly sent nothing. */
function waitOf(error: unknown): Pick<BackendFailure, 'mayHaveArrived' | 'retryAfterSeconds'> {
  try {
    const told = (error ?? {}) as { retryAfterSeconds?: unknown; mayHaveArrived?: unknown };
    const { retryAfterSeconds: seconds, mayHaveArrived } = told;
    const retryAfterSeconds = typeof seconds === 'number' && seconds > 0 ? seconds : null;
    const isUnclear = retryAfterSeconds === null && mayHaveArrived !== false;
    return { retryAfterSeconds, mayHaveArrived: isUnclear };
  } catch {
    // A backend may throw a proxy whose traps throw in turn.
    return { retryAfterSeconds: null, mayHaveArrived: true };
  }
}

function kindOf(error: unknown): BackendFailure['kind'] {
  if (isInstance(error, TwoFactorRecipientError)) return 'recipient';
  if (isInstance(error, TwoFactorConfigurationError)) return 'configuration';
  if (!isSendFailure(error)) return 'temporary';
  if (error.kind === 'ours') return 'configuration';
  return error.kind === 'rate-limited' ? 'rate-limited' : 'temporary';
}

/** The provider's answer, where the backend's own error discloses less. It belongs into the log only. */
function causeOf(error: unknown): unknown {
  if (!isInstance(error, TwoFactorRecipientError)) return null;
  try {
    return (error as Error).cause ?? null;
  } catch {
    // The cause of a backend's own class may be a getter that throws.
    return null;
  }
}

function isSendFailure(thrown: unknown): thrown is SendFailure {
  return isInstance(thrown, SendFailure);
}

function isInstance(thrown: unknown, type: new (...args: never[]) => Error): boolean {
  try {
    return thrown instanceof type;
  } catch {
    // A backend may throw a proxy whose traps throw in turn.
    return false;
  }
}
