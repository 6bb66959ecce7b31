import { Inject, Logger, type OnModuleInit } from '@nestjs/common';

import { isEmailAddress, maskToken } from '../../confirmation/index.js';
import { TwoFactorConfigurationError } from '../../errors/index.js';
import { plainLine } from '../../messages/index.js';
import { NOT_DEVELOPMENT, type ResolvedOptions } from '../../options/index.js';
import { SenderBackend, type Delivery } from '../../sender/index.js';
import { TWO_FACTOR_OPTIONS } from '../../two-factor.tokens.js';

/** A phone number with separators, or a chat id. */
const NUMBER = /^[+\d ().-]{1,40}$/;

/**
 * Writes text messages to the log, for development.
 *
 * @throws TwoFactorConfigurationError at boot unless `NODE_ENV` is `development` or `test`.
 *
 * @example
 * ```ts
 * TwoFactorModule.forRoot({ senders: { default: { backend: LoggerBackend } } });
 * ```
 * @publicApi
 */
@SenderBackend('logger', { verboseName: 'Log of the server' })
export class LoggerBackend implements SenderBackend, OnModuleInit {
  readonly #logger = new Logger(LoggerBackend.name);

  constructor(@Inject(TWO_FACTOR_OPTIONS) private readonly options: ResolvedOptions) {}

  onModuleInit(): void {
    if (this.options.developmentFeatures) return;
    throw new TwoFactorConfigurationError(
      `The sender backend LoggerBackend writes codes to the log, and ${NOT_DEVELOPMENT}. Use ` +
        'a backend that delivers them.',
    );
  }

  async send({ token, name, render, signal }: Delivery): Promise<void> {
    signal.throwIfAborted();
    const { sms } = await render();
    // A recipient that is neither a mailbox nor a number is masked, because a stranger could write any text into the log with it.
    const isPlain = isEmailAddress(token) || NUMBER.test(token);
    this.#logger.log(`${name} to ${isPlain ? token : maskToken(token)}: ${plainLine(sms)}`);
  }
}
