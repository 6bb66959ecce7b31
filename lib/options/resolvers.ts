import { HttpException, Logger } from '@nestjs/common';

import {
  TwoFactorConfigurationError,
  TwoFactorError,
  TwoFactorInputError,
} from '../errors/index.js';

const logger = new Logger('TwoFactorModule');

/**
 * Calls a resolver of the application. If it throws, the error is passed on, because the application may have a filter for it.
 * Except for an `HttpException` and for an error of this package, the log says which resolver threw: without a filter, Nest answers 500.
 *
 * @param name Which resolver, for the log.
 */
export async function callResolver(name: string, resolve: () => unknown): Promise<unknown> {
  try {
    return await resolve();
  } catch (error) {
    if (!(error instanceof HttpException) && !(error instanceof TwoFactorError)) {
      const kind = error instanceof Error ? error.name : typeof error;
      logger.warn(`The ${name} threw a ${kind}. It is passed on.`);
    }
    throw error;
  }
}

/**
 * Checks a value that a resolver returned. No client can mend it, so that it is not reported as a malformed request.
 *
 * @throws TwoFactorConfigurationError that names the resolver, where `parse` throws a TwoFactorInputError.
 */
export function resolvedValue<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TwoFactorInputError)) throw error;
    throw new TwoFactorConfigurationError(
      `The ${name} returned an unusable value. ${error.message}`,
    );
  }
}
