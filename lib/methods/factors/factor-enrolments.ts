import type { EntityManager } from 'typeorm';

import { WrongResponse } from '../../confirmation/index.js';
import { newId } from '../../crypto/index.js';
import type { Deadline } from '../../database/index.js';
import { TwoFactorInputError } from '../../errors/index.js';
import { unknownFactor, type Activation, type NewFactor } from './factor-changes.js';
import {
  MAX_LABEL_LENGTH,
  parseLabel,
  type ActivateInput,
  type EnrolInput,
  type EnrolPasskeyInput,
  type ImportInput,
} from './factor-inputs.js';
import {
  FactorMethod,
  type ActivationEvidence,
  type FactorContext,
  type FactorEnrolment,
} from './factor-method.js';
import type { FactorParts } from './factor-parts.js';
import type { FactorRow } from './factor-record.entity.js';
import {
  viewOf,
  type ActivatedFactor,
  type BegunFactor,
  type BegunPasskey,
  type FactorView,
} from './factor-views.js';
import { contextOf, newFactor, rowOf, unknownSecret } from './new-factor.js';
import type { RecoverySets } from './recovery-sets.js';

/** What an activation stores by, and in which scope. */
interface ActivationParts {
  readonly context: FactorContext;
  readonly recovery: readonly NewFactor[];
  readonly scope: EntityManager | Deadline;
}

/** The enrolment that was activated, and its first response. */
interface ActivatedEnrolment {
  readonly pending: FactorRow;
  readonly evidence: ActivationEvidence;
}

/** Enrols factors in two steps, `enrol` and `activate`, and imports those of another system. The subjects are parsed already. */
export class FactorEnrolments {
  constructor(
    private readonly parts: FactorParts,
    private readonly recovery: RecoverySets,
  ) {}

  async enrol(
    subject: string,
    input: EnrolInput | EnrolPasskeyInput,
  ): Promise<BegunFactor | BegunPasskey> {
    const { store, changes, events, options } = this.parts;
    const enrolment = this.#enrolmentOf(input.method);
    const label = parseLabel('label', input.label, '');
    const account = parseLabel('account', input.account, shortened(subject));
    const context = contextOf(options, subject);
    const id = newId(context.now);
    const begun = enrolment.begin({ id, account }, context);
    const { data } = begun;
    const factor = newFactor({ id, subject, method: input.method, label, data }, context.now);
    const known = await store.change(
      subject,
      function* (factors, before) {
        yield* changes.enrol(factors, factor);
        return before;
      },
      input.manager,
    );
    events.enrolled(factor, input.manager);
    const view = viewOf(rowOf(factor), options.methods);
    return { factor: view, ...(await begun.reveal(known)) } as BegunFactor | BegunPasskey;
  }

  async activate(
    subject: string,
    input: ActivateInput,
  ): Promise<ActivatedFactor | WrongResponse | null> {
    const { manager } = input;
    const { store, events, options } = this.parts;
    const context = contextOf(options, subject);
    const { now } = context;
    const { codes, factors: recovery } = this.recovery.draw(context);
    const activation = await store.runInScope(manager, (scope) =>
      this.#activate(input, { context, recovery, scope }),
    );
    if (activation === null || activation instanceof WrongResponse) return activation;
    const { pending, evidence, isFirst, replaced } = activation;
    await this.#endFailures(subject, pending.method, manager);
    events.removed(replaced, manager);
    events.activated(pending, false, manager);
    const [first] = recovery;
    if (isFirst && first) events.recoveryCodesRegenerated(first, codes.length, manager);
    return {
      factor: viewOf(
        { ...pending, ...evidence, activatedAt: now, lastUsedAt: now },
        options.methods,
      ),
      ...(isFirst && codes.length > 0 && { recoveryCodes: codes }),
    };
  }

  async #activate(
    { factor: id, response: given }: ActivateInput,
    { context, recovery, scope }: ActivationParts,
  ): Promise<(Activation & ActivatedEnrolment) | WrongResponse | null> {
    const { store, changes } = this.parts;
    const { subject, now } = context;
    const pending = (await store.list(subject, scope)).find((each) => each.id === id);
    if (pending === undefined || pending.activatedAt !== null) throw unknownFactor();
    if (!pending.isIntact) throw unknownSecret();
    const enrolment = this.#enrolmentOf(pending.method);
    const response = enrolment.parse(given);
    const evidence = await enrolment.activate(response, pending, context);
    if (evidence === null || evidence instanceof WrongResponse) return evidence;
    const activation = await store.change(
      subject,
      function* (factors) {
        const input = { evidence, now, max: enrolment.max };
        const activated = yield* changes.activate(factors, pending, input);
        if (activated?.isFirst) {
          // Alone, because its activation has ended all other enrolments.
          yield* changes.replaceRecovery([{ ...pending, activatedAt: now }], recovery);
        }
        return activated;
      },
      scope,
    );
    return activation && { ...activation, pending, evidence };
  }

  async import(subject: string, input: ImportInput): Promise<FactorView> {
    const { manager, method } = input;
    const { store, changes, events, options } = this.parts;
    const enrolment = this.#enrolmentOf(method);
    if (enrolment.import === undefined) throw unknownMethod();
    const label = parseLabel('label', input.label, '');
    const context = contextOf(options, subject);
    const id = newId(context.now);
    const data = enrolment.import({ ...input });
    const factor = {
      ...newFactor({ id, subject, method, label, data }, context.now),
      activatedAt: context.now,
    };
    const { replaced } = await store.change(
      subject,
      (factors) => changes.import(factors, factor, enrolment.max),
      manager,
    );
    events.removed(replaced, manager);
    events.activated(factor, true, manager);
    return viewOf(rowOf(factor), options.methods);
  }

  /**
   * Resets the count of wrong responses to a method: those from before an activation were no guesses at the new factor. In a
   * transaction of the caller it waits for the commit: after a rollback the failures count as before, and a statement on another
   * connection would wait for the caller, who waits for it.
   */
  async #endFailures(
    subject: string,
    method: string,
    manager: EntityManager | undefined,
  ): Promise<void> {
    const scope = {
      token: null,
      tokenFrom: 'application',
      subject,
      purpose: '',
      hasSlot: false,
      method,
    } as const;
    const { ledger, events } = this.parts;
    const reset = (): Promise<void> => ledger.resetAfterSuccess(scope, '');
    if (manager === undefined) await reset();
    else events.onCommit(manager, reset);
  }

  #enrolmentOf(name: unknown): FactorEnrolment<unknown> {
    const method = typeof name === 'string' ? this.parts.options.methods.get(name) : undefined;
    if (method instanceof FactorMethod && method.enrolment !== null) {
      return method.enrolment;
    }
    throw unknownMethod();
  }
}

/** The beginning of a subject. A half of a surrogate pair at its end could neither stand in a URI nor be shown. */
function shortened(subject: string): string {
  return Array.from(subject.slice(0, MAX_LABEL_LENGTH))
    .filter((character) => character.isWellFormed())
    .join('');
}

function unknownMethod(): TwoFactorInputError {
  return new TwoFactorInputError(
    "There is no such method to enrol. Give method: 'totp' or, for passkeys, 'passkey', and add it to the option methods.",
  );
}
