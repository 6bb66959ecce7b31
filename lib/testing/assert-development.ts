import { TwoFactorConfigurationError } from '../errors/index.js';
import { isDevelopment, NOT_DEVELOPMENT } from '../options/index.js';

/**
 * Refuses to run outside of development, because the testing kit reads codes and changes the time.
 *
 * @throws TwoFactorConfigurationError unless `NODE_ENV` is exactly `development` or `test`; unset counts as production.
 */
export function assertDevelopment(what: string): void {
  if (isDevelopment()) return;
  throw new TwoFactorConfigurationError(
    `${what} of nestjs-two-factor/testing is for tests, and ${NOT_DEVELOPMENT}: set ` +
      'NODE_ENV=test where tests run, and import nothing of it elsewhere.',
  );
}
