import type { PasskeyCreationOptions } from '../../confirmation/index.js';
import type { MethodName } from '../../errors/index.js';
import type { ConfiguredMethods } from '../../options/index.js';
import { RECOVERY } from './factor-changes.js';
import { FactorMethod, type FactorMethodName } from './factor-method.js';
import type { FactorRow } from './factor-record.entity.js';

/** A factor without its secret, for a page that lists what a person has enrolled. */
export interface FactorView {
  /** The id for `rename` and `remove`; `recovery` for all recovery codes. */
  readonly id: string;
  readonly method: MethodName;
  /** The name that the person gave the factor; empty for none. */
  readonly label: string;
  readonly createdAt: Date;
  /** When the factor last confirmed; `null` for never. */
  readonly lastUsedAt: Date | null;
  /** Until when a device is remembered; absent for other factors. */
  readonly expiresAt?: Date;
  /** Whether a provider may copy a passkey to other devices of the person; absent for other factors. */
  readonly isSynced?: boolean;
  /** The number of recovery codes that are left. */
  readonly left?: number;
}

/** An enrolment that was begun. Show `uri` as a QR code, and `secret` for typing: they are shown once. */
export interface BegunFactor {
  readonly factor: FactorView;
  /** `otpauth://totp/...`, for a QR code. */
  readonly uri: string;
  /** The secret of the app in Base32, for a person who types it. */
  readonly secret: string;
}

/** An enrolment of a passkey that was begun. */
export interface BegunPasskey {
  readonly factor: FactorView;
  /** For `PublicKeyCredential.parseCreationOptionsFromJSON` and `navigator.credentials.create`. */
  readonly options: PasskeyCreationOptions;
}

/** A factor that can confirm from now on. */
export interface ActivatedFactor {
  readonly factor: FactorView;
  /** The recovery codes that are created with the first authenticator, where they are configured. They are shown once. */
  readonly recoveryCodes?: readonly string[];
}

/** A device that was remembered. Put the device token into a cookie: it is returned once. */
export interface RememberedDevice {
  readonly token: string;
  readonly expiresAt: Date;
}

/** The result of `reseal`: how many factors were encrypted again, and which secrets of the ring are still needed. */
export interface ResealResult {
  readonly resealed: number;
  /**
   * The number of secrets that are still sealed under another key than the signing one, by the name of the key: those that cannot be
   * opened, and pending enrolments, which end or are activated in 15 minutes.
   */
  readonly left: Readonly<Record<string, number>>;
  /** False when the signal has stopped the call: `left` counts only the factors that it has read, so keep all secrets. */
  readonly isComplete: boolean;
}

export function viewOf(factor: FactorRow, methods: ConfiguredMethods): FactorView {
  const { id, method, label, createdAt, activatedAt, lastUsedAt, expiresAt, isIntact } = factor;
  const definition = methods.get(method);
  const isDescribed = isIntact && activatedAt !== null && definition instanceof FactorMethod;
  return {
    id,
    method: method as FactorMethodName,
    label,
    createdAt: new Date(createdAt),
    lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt),
    ...(expiresAt !== null && { expiresAt: new Date(expiresAt) }),
    ...(isDescribed && definition.describe?.(factor)),
  };
}

/** The active factors, the recovery codes as one. */
export function viewsOf(factors: readonly FactorRow[], methods: ConfiguredMethods): FactorView[] {
  const active = factors.filter(({ activatedAt }) => activatedAt !== null);
  const codes = active.filter(({ method }) => method === RECOVERY);
  const others = active.filter(({ method }) => method !== RECOVERY);
  const views = others.map((factor) => viewOf(factor, methods));
  const [first] = codes;
  return first === undefined
    ? views
    : [...views, { ...viewOf(first, methods), id: RECOVERY, left: codes.length }];
}
