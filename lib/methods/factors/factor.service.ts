import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  idOf,
  parseSubject,
  WrongResponse,
  type ConfirmationReference,
} from '../../confirmation/index.js';
import { isId } from '../../crypto/index.js';
import {
  expectInput,
  TwoFactorConfigurationError,
  TwoFactorInputError,
  type MethodName,
} from '../../errors/index.js';
import { QuotaLedger } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import type { ChangeCondition } from './change-condition.js';
import { FactorChanges, RECOVERY, type RemovedFactor } from './factor-changes.js';
import { FactorEnrolments } from './factor-enrolments.js';
import { FactorDevices } from './factor-devices.js';
import { FactorEvents } from './factor-events.js';
import {
  FACTOR_INPUTS,
  parseLabel,
  type ActivateInput,
  type EnrolInput,
  type EnrolPasskeyInput,
  type FactorChangeInput,
  type ImportInput,
  type ProvedChangeInput,
  type RememberInput,
  type RemoveInput,
  type RenameInput,
  type ResealInput,
} from './factor-inputs.js';
import type { FactorParts } from './factor-parts.js';
import {
  viewsOf,
  type ActivatedFactor,
  type BegunFactor,
  type BegunPasskey,
  type FactorView,
  type RememberedDevice,
  type ResealResult,
} from './factor-views.js';
import { usableMethods } from './enrolled-factors.js';
import { FactorStore } from './factor.store.js';
import { proofCondition } from './proved-by.js';
import { RecoverySets } from './recovery-sets.js';
import { resealAll } from './reseal.js';

/** The parts that exist where methods are configured. */
interface ConfiguredParts extends FactorParts {
  readonly enrolments: FactorEnrolments;
  readonly recovery: RecoverySets;
  readonly devices: FactorDevices;
}

/**
 * The authenticator apps, passkeys, recovery codes and remembered devices of a subject. The application is trusted, as with
 * `state.confirm()`: no call asks for a proof. Require one on the routes that call this service, by `@RequireConfirmation`. Every
 * changing call takes a `manager`.
 *
 * @example
 * ```ts
 * const { factor, uri } = await factors.enrol({ subject: user.id, method: 'totp', account: user.email });
 * // ... the person scans `uri`, and types the first code:
 * const activated = await factors.activate({ subject: user.id, factor: factor.id, response: code });
 * ```
 * @publicApi
 */
@Injectable()
export class FactorService {
  readonly #parts: ConfiguredParts | null;

  /** @internal It is injected. */
  constructor(
    @Inject(FactorStore) store: FactorStore | null,
    ledger: QuotaLedger,
    events: FactorEvents,
    @InjectTwoFactorOptions() options: ResolvedOptions,
  ) {
    this.#parts = store && partsOf({ store, ledger, events, options });
  }

  /** The active factors of a subject without their secrets, recovery codes as one entry. */
  async list(input: { readonly subject: string }): Promise<FactorView[]> {
    const subject = subjectOf('list', input, FACTOR_INPUTS.list);
    const { store, options } = this.#configured();
    return viewsOf(await store.active(subject), options.methods);
  }

  /**
   * The names of the methods that a subject can use now, beside a code.
   *
   * @param deviceToken the token of the remembered device that the caller uses, from its cookie; it is checked here.
   * @internal
   */
  async enrolled(subject: string, deviceToken?: unknown): Promise<readonly MethodName[]> {
    const { store, options } = this.#configured();
    return usableMethods(await store.active(subject), options, subject, deviceToken);
  }

  /**
   * This service for one call, which changes the factors only where the condition holds.
   *
   * @internal
   */
  requiring(condition: ChangeCondition): FactorService {
    const { store, ledger, events, options } = this.#configured();
    return new FactorService(store.requiring(condition), ledger, events, options);
  }

  /**
   * Begins an enrolment, which ends after 15 minutes unless it is activated. It replaces a pending one of the same method.
   *
   * @throws TwoFactorInputError for a malformed member, TwoFactorConflictError when the manager's transaction lost a race.
   */
  async enrol(input: EnrolInput): Promise<BegunFactor>;
  async enrol(input: EnrolPasskeyInput): Promise<BegunPasskey>;
  async enrol(input: EnrolInput | EnrolPasskeyInput): Promise<BegunFactor | BegunPasskey>;
  async enrol(input: EnrolInput | EnrolPasskeyInput): Promise<BegunFactor | BegunPasskey> {
    const subject = subjectOf('enrol', input, FACTOR_INPUTS.enrol);
    const { confirmation, ...given } = input;
    if (confirmation !== undefined) return this.#provedBy(subject, confirmation).enrol(given);
    return this.#configured().enrolments.enrol(subject, input);
  }

  /**
   * Activates an enrolment by its first valid response, which is spent by that. With the first authenticator of a subject,
   * enrolments that were begun before it end, and recovery codes are created. Unused proofs by an app that it replaces end.
   *
   * @returns `null` for a wrong response.
   * @throws TwoFactorNotFoundError when there is no such enrolment, or it has ended.
   * @throws TwoFactorInputError for a malformed member, TwoFactorConflictError when the manager's transaction lost a race.
   */
  async activate(input: ActivateInput): Promise<ActivatedFactor | null> {
    const activated = await this.tryActivate(input);
    return activated instanceof WrongResponse ? null : activated;
  }

  /** @internal As `activate`, and says why a response is wrong where its method knows. */
  async tryActivate(input: ActivateInput): Promise<ActivatedFactor | WrongResponse | null> {
    const subject = subjectOf('activate', input, FACTOR_INPUTS.activate);
    return this.#configured().enrolments.activate(subject, input);
  }

  /**
   * Adds an active factor for a person who enrolled with another library. Recovery codes are not created: call
   * `regenerateRecoveryCodes` when they can be shown.
   *
   * @throws TwoFactorInputError for a malformed member, TwoFactorConflictError when the manager's transaction lost a race.
   */
  async import(input: ImportInput): Promise<FactorView> {
    const subject = subjectOf('import', input, FACTOR_INPUTS.import);
    return this.#configured().enrolments.import(subject, input);
  }

  /** Gives a factor another name. @returns whether there is such a factor. */
  async rename(input: RenameInput): Promise<boolean> {
    const subject = subjectOf('rename', input, FACTOR_INPUTS.rename);
    const { store, changes } = this.#configured();
    const label = parseLabel('label', input.label, '');
    const { factor, manager } = input;
    if (!isId(factor)) return false;
    return store.change(
      subject,
      (_, { factors }) => changes.rename(factors, factor, label),
      manager,
    );
  }

  /**
   * Removes a factor, active or pending, and ends the unused proofs that it confirmed. With an authenticator, or with the recovery
   * codes, enrolments that have begun end, and with an authenticator the devices that were remembered after a proof by it: a thief
   * may have proved one of them by what is removed. The last authenticator takes all devices and recovery codes with it.
   *
   * @returns whether this call removed it; for `recovery` also when all codes were used.
   * @throws TwoFactorStateError `last-factor` for the last authenticator, without `allowLast`.
   */
  async remove(input: RemoveInput): Promise<boolean> {
    const subject = subjectOf('remove', input, FACTOR_INPUTS.remove);
    const { confirmation, ...given } = input;
    if (confirmation !== undefined) return this.#provedBy(subject, confirmation).remove(given);
    const { factor: id, allowLast = false, manager } = given;
    const { store, changes, options } = this.#configured();
    if (typeof allowLast !== 'boolean')
      throw new TwoFactorInputError('allowLast is true or false.');
    if (id !== RECOVERY && !isId(id)) return false;
    const gone = await store.change(
      subject,
      (_, known) => changes.remove(known, { id, subject, allowLast, now: options.clock.now() }),
      manager,
    );
    this.#publishRemoved(gone, manager);
    return gone.length > 0;
  }

  /**
   * New recovery codes, which replace all former ones. Show them once. Enrolments that have begun, and unused proofs by a former
   * code, end as by `remove`.
   *
   * @throws TwoFactorStateError `no-factor` without an authenticator.
   */
  async regenerateRecoveryCodes(input: ProvedChangeInput): Promise<readonly string[]> {
    const subject = subjectOf('regenerateRecoveryCodes', input, FACTOR_INPUTS.provedChange);
    const { confirmation, ...given } = input;
    if (confirmation !== undefined) {
      return this.#provedBy(subject, confirmation).regenerateRecoveryCodes(given);
    }
    return this.#configured().recovery.regenerate(subject, input.manager);
  }

  /**
   * Remembers a device after a confirmation was used, so that its token confirms by the method `device` until it expires. Put
   * the device token into a cookie that is HttpOnly, Secure and SameSite, such as `__Host-device`: it is returned once.
   *
   * @returns `null` for a confirmation that was not used in the last 5 minutes, that has no subject, or that has remembered a
   * device already. Also `null` when it was confirmed by a recovery code, by hand, by a device, by a code to a phone number or
   * address that the client named, or by the fixed code of a test recipient, and when what confirmed it was removed, or devices
   * were forgotten or removed, after it was used.
   * @throws TwoFactorInputError for a malformed member. TwoFactorConflictError when the transaction of `input.manager` lost a race.
   */
  async remember(input: RememberInput): Promise<RememberedDevice | null> {
    expectInput('remember', input, FACTOR_INPUTS.remember);
    const label = parseLabel('label', input.label, '');
    return this.#configured().devices.remember(idOf(input.confirmation), label, input.manager);
  }

  /**
   * Forgets all devices of a subject, for example after a changed password, and ends the unused proofs by them. What was confirmed
   * and used before remembers no device afterwards.
   *
   * @returns how many there were.
   */
  async forgetDevices(input: FactorChangeInput): Promise<number> {
    const subject = subjectOf('forgetDevices', input, FACTOR_INPUTS.change);
    return this.#configured().devices.forget(subject, input.manager);
  }

  /**
   * Deletes all factors of a subject: what a help desk calls for a user who lost the phone. Proofs that one of them confirmed, and that
   * are not used yet, end with it, and a proof that was used before remembers no device afterwards.
   *
   * It leaves proofs by a sent code, pending confirmations, the failures that lock an app, and the row of the subject; the sessions
   * of the user are the application's to end. For a person who leaves, call `ConfirmerService.erase`.
   *
   * @returns how many factors there were, recovery codes counted one by one.
   */
  async erase(input: FactorChangeInput): Promise<number> {
    const subject = subjectOf('erase', input, FACTOR_INPUTS.change);
    const { manager } = input;
    const { store, changes, options } = this.#configured();
    const gone = await store.change(
      subject,
      (_, known) => changes.removeAll(known, subject, options.clock.now()),
      manager,
    );
    this.#publishRemoved(gone, manager);
    // A set of recovery codes of which none is left is reported as one, and is no code.
    return gone.filter(({ id }) => id !== RECOVERY).length;
  }

  /**
   * Seals the secrets of factors again under the signing secret, after a rotation. A former secret can be removed from the
   * ring when a complete call leaves nothing under its key. It can be interrupted and repeated at any time, and confirmations go
   * on meanwhile.
   *
   * @example
   * ```ts
   * const { left, isComplete } = await factors.reseal();
   * const mayRemoveOldSecret = isComplete && Object.keys(left).length === 0;
   * ```
   */
  async reseal(input: ResealInput = {}): Promise<ResealResult> {
    expectInput('reseal', input, FACTOR_INPUTS.reseal);
    const { store, options } = this.#configured();
    return resealAll(store, input, options.clock);
  }

  /** The same service for a call that names its proof. */
  #provedBy(subject: string, confirmation: ConfirmationReference): FactorService {
    const { confirmations } = this.#configured().store;
    return this.requiring(proofCondition(confirmations, subject, idOf(confirmation)));
  }

  #publishRemoved(gone: readonly RemovedFactor[], manager: EntityManager | undefined): void {
    const code = gone.find(({ method }) => method === RECOVERY);
    const others = gone.filter(
      ({ method, activatedAt }) => method !== RECOVERY && activatedAt !== null,
    );
    // One event for the whole set of recovery codes, because a person sees and replaces the set as a whole.
    const all = code === undefined ? others : [...others, { ...code, id: RECOVERY }];
    this.#configured().events.removed(all, manager);
  }

  /** @throws TwoFactorConfigurationError without methods. */
  #configured(): ConfiguredParts {
    if (this.#parts === null) {
      throw new TwoFactorConfigurationError(
        "There are no methods beside codes. Set the option methods, such as [totp({ issuer: 'ACME' })].",
      );
    }
    return this.#parts;
  }
}

function partsOf(given: Omit<FactorParts, 'changes'>): ConfiguredParts {
  const parts = { ...given, changes: new FactorChanges(given.store, given.options.methods) };
  const recovery = new RecoverySets(parts);
  return {
    ...parts,
    recovery,
    enrolments: new FactorEnrolments(parts, recovery),
    devices: new FactorDevices(parts, given.store.confirmations),
  };
}

/** The subject of a call, whose members are checked first. */
function subjectOf(
  call: string,
  input: { readonly subject: string },
  members: ReadonlySet<string>,
): string {
  expectInput(call, input, members);
  return parseSubject(input.subject);
}
