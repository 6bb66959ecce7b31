import type { EntityManager } from 'typeorm';

import { newId } from '../../crypto/index.js';
import { TwoFactorConfigurationError } from '../../errors/index.js';
import { RECOVERY, type NewFactor } from './factor-changes.js';
import { FactorMethod, type FactorContext } from './factor-method.js';
import type { FactorParts } from './factor-parts.js';
import { contextOf, newFactor } from './new-factor.js';

/** A set of recovery codes: as they are shown once, and as they are stored. */
export interface RecoverySet {
  readonly codes: readonly string[];
  readonly factors: readonly NewFactor[];
}

/** Draws and replaces the recovery codes of a subject, which are one set. */
export class RecoverySets {
  constructor(private readonly parts: FactorParts) {}

  /** A drawn set, which is not stored yet; an empty one where recovery codes are not configured. */
  draw(context: FactorContext): RecoverySet {
    const method = this.parts.options.methods.get(RECOVERY);
    const drawn = method instanceof FactorMethod ? (method.draw?.(context) ?? []) : [];
    const { subject, now } = context;
    const given = { subject, method: RECOVERY, label: '', data: null };
    return {
      codes: drawn.map(({ code }) => code),
      factors: drawn.map(({ handle }) => ({
        ...newFactor({ ...given, id: newId(now) }, now),
        handle,
        activatedAt: now,
      })),
    };
  }

  /** @throws TwoFactorStateError `no-factor` without an authenticator. */
  async regenerate(
    subject: string,
    manager: EntityManager | undefined,
  ): Promise<readonly string[]> {
    const { store, changes, events, options } = this.parts;
    const { codes, factors } = this.draw(contextOf(options, subject));
    const [first] = factors;
    if (first === undefined) {
      throw new TwoFactorConfigurationError(
        'There are no recovery codes. Add recoveryCodes() to the option methods.',
      );
    }
    await store.change(subject, (given) => changes.replaceRecovery(given, factors), manager);
    events.recoveryCodesRegenerated(first, codes.length, manager);
    return codes;
  }
}
