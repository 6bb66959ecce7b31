import { Injectable, Logger } from '@nestjs/common';

import { shortId } from '../crypto/index.js';
import { TwoFactorConfigurationError, TwoFactorRecipientError } from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { withTimeout } from '../with-timeout.js';
import type { RecordedMessage } from './message.js';
import { describeThrown, redact } from './redact.js';

/** Why a backend did not accept a message. */
export interface BackendFailure {
  /** `recipient`: the token can never be reached. `configuration`: a retry fails, too. `temporary`: a retry may succeed. */
  readonly kind: 'recipient' | 'configuration' | 'temporary';
  /** The backend's message, without the code and the token. */
  readonly reason: string;
}

/** Calls sender backends: within `sendTimeoutMs`, and so that no error of a provider carries a code or a token. */
@Injectable()
export class BackendCaller {
  readonly #logger = new Logger(BackendCaller.name);

  constructor(@InjectTwoFactorOptions() private readonly options: ResolvedOptions) {}

  /** @returns `null` when the backend accepted the message. */
  async call(message: RecordedMessage): Promise<BackendFailure | null> {
    const { sendTimeoutMs } = this.options;
    try {
      await withTimeout(sendTimeoutMs, (signal) => this.#send(message, signal));
      return null;
    } catch (error) {
      return this.#failure(error, message);
    }
  }

  #send({ sender, content, state }: RecordedMessage, signal: AbortSignal): unknown {
    const { name, options, verboseName } = sender;
    const { token, code, context = {} } = content;
    const leftMs = state.expiresAt.getTime() - this.options.clock.now();
    return sender.send({
      token,
      code,
      state,
      name,
      options,
      verboseName,
      expiresInSeconds: Math.floor(leftMs / 1_000),
      context,
      signal,
    });
  }

  #failure(error: unknown, { sender, content, state }: RecordedMessage): BackendFailure {
    const { code, token } = content;
    const reason = redact(describeThrown(error), code, token);
    const cause = causeOf(error);
    const why = cause === null ? reason : `${reason} (${redact(cause, code, token)})`;
    this.#logger.warn(
      `Sender ${sender.name} did not deliver confirmation ${shortId(state.id)}: ${why}`,
    );
    return { kind: kindOf(error), reason };
  }
}

function kindOf(error: unknown): BackendFailure['kind'] {
  if (isInstance(error, TwoFactorRecipientError)) return 'recipient';
  return isInstance(error, TwoFactorConfigurationError) ? 'configuration' : 'temporary';
}

/** What the provider answered, when a backend tells callers less than that. It belongs into the log only. */
function causeOf(error: unknown): string | null {
  if (!isInstance(error, TwoFactorRecipientError)) return null;
  try {
    const { cause } = error as Error;
    return cause === undefined ? null : describeThrown(cause);
  } catch {
    // The cause of a backend's own class may be a getter that throws.
    return null;
  }
}

function isInstance(thrown: unknown, type: new (...args: never[]) => Error): boolean {
  try {
    return thrown instanceof type;
  } catch {
    // A backend may throw a proxy whose traps throw in turn.
    return false;
  }
}
