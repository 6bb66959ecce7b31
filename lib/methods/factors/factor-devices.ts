import type { EntityManager } from 'typeorm';

import {
  CODE_METHOD,
  type ConfirmationRow,
  type ConfirmationStore,
} from '../../confirmation/index.js';
import { idFromHashAt, openEnvelope } from '../../crypto/index.js';
import { TwoFactorConfigurationError } from '../../errors/index.js';
import { DEVICE_METHOD } from '../../options/index.js';
import type { ChangeCondition } from './change-condition.js';
import { isStillThere } from './enrolled-factors.js';
import { factorFingerprint, type NewFactor } from './factor-changes.js';
import { FactorMethod } from './factor-method.js';
import type { FactorParts } from './factor-parts.js';
import type { RememberedDevice } from './factor-views.js';
import { contextOf, newFactor } from './new-factor.js';

/** After a longer time another person may use the browser, so that an older proof remembers no device. */
const FRESH_MS = 300_000;
/** The methods after which a device may be remembered. A recovery code, `state.confirm()` and a device are too weak for it. */
const TRUSTED_METHODS: ReadonlySet<unknown> = new Set(['code', 'passkey', 'totp']);

/** Ends the change for an erased subject before it has written anything: a transaction of the caller would not undo that, and goes on. */
class ErasedError extends Error {}

function nullIfErased(error: unknown): null {
  if (error instanceof ErasedError) return null;
  throw error;
}

/** Remembers and forgets the devices of a subject. */
export class FactorDevices {
  constructor(
    private readonly parts: FactorParts,
    private readonly confirmations: ConfirmationStore,
  ) {}

  /**
   * `null` for a confirmation that is no fresh, used proof of the subject by a trusted method, or that has remembered a device.
   * Also when its authenticator was removed, or devices were forgotten or removed, after its use: a thief who signed in just
   * before would otherwise remember a device after the owner has thrown the thief out.
   */
  async remember(
    confirmation: string,
    label: string,
    manager: EntityManager | undefined,
  ): Promise<RememberedDevice | null> {
    const { store, changes, events, options } = this.parts;
    const method = options.methods.get(DEVICE_METHOD);
    if (!(method instanceof FactorMethod) || method.remember === undefined) {
      throw new TwoFactorConfigurationError(
        'There are no remembered devices. Add rememberedDevices() to the option methods.',
      );
    }
    const now = options.clock.now();
    const expiresAt = now + method.lifeMs!;
    const remembered = await store.runInScope(manager, async (scope) => {
      const row = await this.confirmations.find(confirmation, scope);
      if (row === null || !mayRememberDevice(row, now) || !this.#isOwnResponse(row)) return null;
      const { subject } = row;
      // Derived, so that one confirmation remembers one device, and ordered by time, so that the purge finds it.
      const id = idFromHashAt(row.createdAt, DEVICE_METHOD, options.application, row.id);
      const { token, handle } = method.remember!(id, contextOf(options, subject));
      const factor: NewFactor = {
        ...newFactor({ id, subject, method: DEVICE_METHOD, label, data: null }, now),
        handle,
        counter: row.factorId === null ? 0 : factorFingerprint(row.factorId),
        activatedAt: now,
        expiresAt,
      };
      const before: ChangeCondition['before'] = function* () {
        // Asked again, because `ConfirmerService.erase` may have deleted all of the subject since. One that runs beside this waits, and
        // then erases the device too.
        if (!(yield* store.lockConfirmation(row.id))) throw new ErasedError();
      };
      const remember = store.requiring({ before, judge: () => undefined }).change(
        subject,
        function* (stored, known) {
          const isCurrent =
            row.usedAt! > (known.devicesForgottenAt ?? 0) && isStillThere(row, known);
          return isCurrent ? yield* changes.remember(stored, factor, method.max!) : null;
        },
        scope,
      );
      const removed = await remember.catch(nullIfErased);
      return removed && { factor, token, removed };
    });
    if (remembered === null) return null;
    const { factor, token, removed } = remembered;
    events.removed(removed, manager);
    events.remembered(factor, new Date(expiresAt), manager);
    return { token, expiresAt: new Date(expiresAt) };
  }

  /**
   * Whether the response was the subject's own. A code that went to an address which the client named shows only that the client
   * has that address: a thief with a session would prove one of its own. And the code of a test recipient is known to others.
   */
  #isOwnResponse({ confirmedBy, envelope, ...row }: ConfirmationRow): boolean {
    if (confirmedBy !== CODE_METHOD) return true;
    const content =
      envelope === null ? null : openEnvelope(this.parts.options.keyRing, envelope, row);
    return content !== null && content.tokenFrom !== 'client' && content.isTest !== true;
  }

  /** Removes all remembered devices of a subject. @returns how many there were. */
  async forget(subject: string, manager: EntityManager | undefined): Promise<number> {
    const { store, changes, events, options } = this.parts;
    const removed = await store.change(
      subject,
      (stored) => changes.forgetDevices(stored, subject, options.clock.now()),
      manager,
    );
    events.removed(removed, manager);
    return removed.length;
  }
}

function mayRememberDevice(
  { subject, usedAt, confirmedBy }: ConfirmationRow,
  now: number,
): boolean {
  return (
    subject !== '' &&
    usedAt !== null &&
    usedAt + FRESH_MS > now &&
    usedAt <= now &&
    TRUSTED_METHODS.has(confirmedBy)
  );
}
