import { Injectable, Logger } from '@nestjs/common';

import { EventPublisher } from '../confirmation/index.js';
import { shortDigest, shortId } from '../crypto/index.js';
import { TwoFactorRecipientError } from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { traitsOf, type Delivery, type FailureTraits } from '../sender/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { withTimeout } from '../with-timeout.js';
import { writeOrSendFailure } from './check-message.js';
import { MessageWriter } from './message-writer.js';
import type { RecordedMessage } from './message.js';
import { describeThrown, redact, secretsOf } from './redact.js';

/** Why a backend did not accept a message. */
export interface BackendFailure extends Omit<FailureTraits, 'concernsAll'> {
  /** The backend's message, without the code and the phone number or address. */
  readonly reason: string;
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
        writeOrSendFailure(() =>
          this.writer.write({ code, state, context, expiresInSeconds, product, way: name }),
        ),
      signal,
      idempotencyKey: shortDigest(`${row.id} ${row.sends}`),
      report,
    });
  }

  /**
   * Logs a failed delivery, and publishes `sender-broken` when the configuration is the cause.
   *
   * @param provider The provider's name among those of the sender; empty for a sender with one provider.
   */
  #report(
    { sender, content, state }: RecordedMessage,
    provider: string,
    error: unknown,
  ): BackendFailure {
    const secrets = secretsOf({ ...content, state });
    const reason = redact(describeThrown(error), ...secrets);
    const cause = causeOf(error);
    const answer = cause === null ? reason : redact(describeThrown(cause), ...secrets);
    const why = cause === null ? reason : `${reason} (${answer})`;
    const by = provider === '' ? '' : ` by ${provider}`;
    this.#logger.warn(
      `Sender ${sender.name} did not deliver confirmation ${shortId(state.id)}${by}: ${why}`,
    );
    const { concernsAll, ...traits } = traitsOf(error);
    const isBroken = traits.kind === 'configuration';
    if (isBroken || traitsOf(cause).kind === 'configuration') {
      const about = { concernsAll: isBroken && concernsAll, reason: answer };
      this.publisher.senderBroken({ way: sender.name, provider, ...about });
    }
    return { ...traits, reason };
  }
}

/** The provider's answer, where the backend's own error discloses less. It belongs into the log only. */
function causeOf(error: unknown): unknown {
  try {
    return error instanceof TwoFactorRecipientError ? (error.cause ?? null) : null;
  } catch {
    // A backend may throw a proxy whose traps throw in turn, and its own class may have a getter that throws.
    return null;
  }
}
