import { TwoFactorConfigurationError } from '../errors/index.js';

/**
 * The kit reads codes and turns the clock: nothing of it may run where people are.
 *
 * @throws TwoFactorConfigurationError unless `NODE_ENV` is exactly `development` or `test`; unset counts as production.
 */
export function assertDevelopment(what: string): void {
  // Not `process.env.NODE_ENV` in one piece: bundlers write the value of their own run in its place.
  const { env } = process;
  if (['development', 'test'].includes(env['NODE_ENV'] ?? '')) return;
  throw new TwoFactorConfigurationError(
    `${what} of nestjs-two-factor/testing is for tests, and NODE_ENV is neither "development" nor "test": set ` +
      'NODE_ENV=test where tests run, and import nothing of it elsewhere.',
  );
}
