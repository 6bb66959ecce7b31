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
    const reason = redact(describeThrown(error), content.code, content.token);
    this.#logger.warn(
      `Sender ${sender.name} did not deliver confirmation ${shortId(state.id)}: ${reason}`,
    );
    return { kind: kindOf(error), reason };
  }
}

function kindOf(error: unknown): BackendFailure['kind'] {
  if (isInstance(error, TwoFactorRecipientError)) return 'recipient';
  return isInstance(error, TwoFactorConfigurationError) ? 'configuration' : 'temporary';
}

function isInstance(thrown: unknown, type: new (...args: never[]) => Error): boolean {
  try {
    return thrown instanceof type;
  } catch {
    // A backend may throw a proxy whose traps throw in turn.
    return false;
  }
}
