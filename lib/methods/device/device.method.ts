import type { ExecutionContext } from '@nestjs/common';

import {
  FactorMethod,
  type FactorContext,
  type FactorEvidence,
  type FactorRow,
  type RememberedFactor,
  type SubjectFactors,
} from '../factors/index.js';
import {
  deviceHandle,
  drawDeviceToken,
  isDeviceToken,
  parseDeviceToken,
  type DeviceToken,
} from './device-token.js';

/** Devices of one subject. The oldest one makes place for another. */
const MAX_DEVICES = 10;

/** A browser that confirmed before, by the token that it was given then. */
export class DeviceMethod extends FactorMethod<DeviceToken> {
  readonly name = 'device';
  readonly isStrong = false;
  readonly isGuessable = false;
  override readonly responseMember = 'token';
  override readonly lifeMs: number;
  override readonly max = MAX_DEVICES;

  constructor(
    days: number,
    override readonly tokenOf: (context: ExecutionContext) => unknown,
  ) {
    super();
    this.lifeMs = days * 86_400_000;
  }

  parse(response: unknown): DeviceToken {
    return parseDeviceToken(response);
  }

  override remember(id: string, { application, subject }: FactorContext): RememberedFactor {
    const token = drawDeviceToken(id);
    const handle = deviceHandle(application, subject, token);
    return { token: `${token.id}.${token.secret}`, handle };
  }

  /** A wrong secret changes nothing, so that a person who knows the id of another person's factor cannot revoke that device. */
  verify(
    token: DeviceToken,
    { factors, application, subject, now }: FactorContext & Pick<SubjectFactors, 'factors'>,
  ): FactorEvidence | null {
    const handle = deviceHandle(application, subject, token);
    const factor = factors.find(
      (each) => each.method === this.name && each.id === token.id && each.handle === handle,
    );
    if (factor === undefined || (factor.expiresAt ?? 0) <= now) return null;
    return { factor, write: 'touch', counter: 0 };
  }

  /** Whether the caller holds one of the devices, rather than the subject another one elsewhere. */
  override isUsable(
    factors: readonly FactorRow[],
    token: unknown,
    context: FactorContext,
  ): boolean {
    return (
      isDeviceToken(token) && this.verify(parseDeviceToken(token), { ...context, factors }) !== null
    );
  }

  guessOf(): null {
    return null;
  }
}
