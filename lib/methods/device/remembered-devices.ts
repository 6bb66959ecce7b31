import type { ExecutionContext } from '@nestjs/common';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import type { MethodDefinition } from '../../options/index.js';
import { DeviceMethod } from './device.method.js';

/** The options of `rememberedDevices`. */
export interface RememberedDevicesOptions {
  /** How long a device is remembered, 1 to 365 days. Its use never extends that. @default 30 */
  readonly days?: number | undefined;
  /**
   * The token that a call brings, from a cookie that is HttpOnly, Secure and SameSite; nothing for a device that is not
   * remembered. A body cannot name one over HTTP.
   */
  readonly token: (
    context: ExecutionContext,
  ) => string | null | undefined | Promise<string | null | undefined>;
}

const MAX_DAYS = 365;

/**
 * Remembered devices: a browser that has confirmed may skip the next codes for some days. List `device` first in the methods
 * of a purpose; it can never confirm a change of the factors. A token has 256 random bits, and only its hash is stored. Up to
 * 10 devices for each subject.
 *
 * @throws TwoFactorConfigurationError unless `days` is a whole number from 1 to 365, or without the function `token`.
 * @example
 * ```ts
 * const devices = rememberedDevices({
 *   days: 30,
 *   token: (context) => context.switchToHttp().getRequest().cookies['__Host-device'],
 * });
 * ```
 * @publicApi
 */
export function rememberedDevices(options: RememberedDevicesOptions): MethodDefinition {
  const { days = 30, token, ...others } = (options ?? {}) as Partial<RememberedDevicesOptions>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TwoFactorConfigurationError(
      `rememberedDevices() knows no option ${unknown}. It takes days and token.`,
    );
  }
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new TwoFactorConfigurationError(
      `The option days of rememberedDevices() is a whole number from 1 to ${MAX_DAYS}.`,
    );
  }
  if (typeof token !== 'function') {
    throw new TwoFactorConfigurationError(
      'The option token of rememberedDevices() is a function that returns the token of a call, from an HttpOnly cookie: ' +
        '(context) => cookieOf(context).',
    );
  }
  return new DeviceMethod(days, token);
}
