import type { Logger } from '@nestjs/common';

import type { ResolvedOptions } from './options/index.js';

/** Writes to the log what the options allow and an application in production should not have. */
export function warnAtBoot(logger: Logger, options: ResolvedOptions): void {
  // The key names are no secret. Compare them between instances: a code is confirmed only where its key is known.
  const kids = options.keyRing.keys.map(({ kid }) => kid);
  logger.debug(`Keys by their names, the first one signs: ${kids.join(', ')}.`);
  if (options.secretIsRandom) {
    logger.warn(
      'There is no secret: drew one for development. Confirmations and enrolled factors end with this process: set ' +
        'TWO_FACTOR_SECRET to keep them.',
    );
  }
  if (options.secretIsReplaced) {
    logger.warn(
      'TWO_FACTOR_SECRET stands in for the option secret, which is another one: confirmations under the option are ' +
        'void. Set one of them, or list both in TWO_FACTOR_SECRETS.',
    );
  }
  for (const { variable, nearest } of options.unknownVariables) {
    logger.warn(
      `No option has the environment variable ${variable}, which is ignored: rename it if ${nearest} is meant.`,
    );
  }
  if (options.debugCodeResponse) {
    logger.warn('debugCodeResponse is on: the controller answers the codes.');
  }
}
