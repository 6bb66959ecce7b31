import type { ExecutionContext } from '@nestjs/common';

import { TwoFactorConfigurationError, type MethodName } from '../errors/index.js';
import { formatValue } from './settings.js';

/**
 * A configured method, as `totp()`, `passkeys()`, `recoveryCodes()` and `rememberedDevices()` return it.
 *
 * @publicApi
 */
export interface MethodDefinition {
  /** The name of the method, as in `methods` of a purpose. */
  readonly name: MethodName;
  /** Whether it counts as an authenticator of its own. Others exist only beside one that does. */
  readonly isStrong: boolean;
  /** Whether a response can be guessed, so that each one is counted before it is compared. */
  readonly isGuessable: boolean;
  /** The response that a call brings by itself, such as in a cookie. */
  readonly tokenOf?: (context: ExecutionContext) => unknown;
}

/** Remembered devices, which also exist beside sent codes, and never confirm a change of the factors. */
export const DEVICE_METHOD = 'device';
/** The purpose of the changes of a subject's factors. */
export const FACTORS_PURPOSE = 'factors';

/** The configured methods by name. A code needs no entry. */
export type ConfiguredMethods = ReadonlyMap<string, MethodDefinition>;

/** @throws TwoFactorConfigurationError; the message names the entry and the remedy. */
export function resolveMethods(input: unknown): ConfiguredMethods {
  const methods = new Map<string, MethodDefinition>();
  if (input === undefined) return methods;
  if (!Array.isArray(input)) {
    throw new TwoFactorConfigurationError(
      `Option methods is ${formatValue(input)}. Give a list, such as [totp({ issuer: 'ACME' })].`,
    );
  }
  for (const [index, entry] of (input as unknown[]).entries()) {
    if (!isDefinition(entry)) {
      throw new TwoFactorConfigurationError(
        `Option methods[${index}] is ${formatValue(entry)}. Give what totp(), passkeys(), recoveryCodes() or rememberedDevices() returns.`,
      );
    }
    if (methods.has(entry.name)) {
      throw new TwoFactorConfigurationError(
        `Option methods has ${entry.name} twice. Leave one of them out.`,
      );
    }
    methods.set(entry.name, entry);
  }
  const all = [...methods.values()].filter(({ name }) => name !== DEVICE_METHOD);
  if (all.length > 0 && !all.some(({ isStrong }) => isStrong)) {
    throw new TwoFactorConfigurationError(
      `Option methods has ${all.map(({ name }) => name).join(', ')} alone, which exists only beside an authenticator. Add ` +
        "totp({ issuer: 'ACME' }) or passkeys(), or leave methods out.",
    );
  }
  return methods;
}

function isDefinition(entry: unknown): entry is MethodDefinition {
  if (typeof entry !== 'object' || entry === null) return false;
  const { name, isStrong, isGuessable } = entry as Partial<MethodDefinition>;
  return (
    typeof name === 'string' && typeof isStrong === 'boolean' && typeof isGuessable === 'boolean'
  );
}
