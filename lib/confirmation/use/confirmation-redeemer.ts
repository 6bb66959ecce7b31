import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { expectInput, inputMembers, messageOf, TwoFactorCallError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import { parseBinding, parseSubject } from '../model/binding.js';
import { bindingMacs } from '../model/binding-match.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { ENROLLED_METHODS, type EnrolledMethods } from '../model/enrolled-methods.js';
import { FACTOR_UPKEEP, type FactorUpkeep } from '../model/factor-upkeep.js';
import type { CheckInput, ConfirmationResult, UseInput } from '../model/inputs.interface.js';
import { parseConfirmedBy } from '../model/methods.js';
import { parseIdempotencyKey } from '../model/parse-input.js';
import { allowedSenders } from '../model/ways.js';
import { ConfirmationStore } from '../store/confirmation.store.js';
import type { UseValues } from '../store/store-values.js';
import { MethodReview } from './method-review.js';
import {
  explainRefusal,
  isProofFor,
  type ParsedCheck,
  type ProofRefusal,
} from './proof-refusal.js';
import { asUnreserved, newReservationMark, ProofReservation } from './proof-reservation.js';
import type { ProofSpending } from './proof-spending.js';

const CHECK = {
  purpose: true,
  subject: true,
  details: true,
  senders: true,
  confirmedBy: true,
  context: true,
} as const;
const CHECK_MEMBERS = inputMembers<CheckInput>(CHECK);
const USE_MEMBERS = inputMembers<UseInput>({ ...CHECK, manager: true, idempotencyKey: true });
const ERASE_MEMBERS = inputMembers<{ subject: string }>({ subject: true });
const NO_METHODS: readonly string[] = Object.freeze([]);

/** Checks proofs, uses each of them once, and cancels and erases confirmations. */
@Injectable()
export class ConfirmationRedeemer {
  readonly #logger = new Logger('ConfirmerService');
  readonly #methods: MethodReview;

  constructor(
    private readonly store: ConfirmationStore,
    private readonly states: ConfirmationStates,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
    @Inject(FACTOR_UPKEEP) private readonly factors: FactorUpkeep | null = null,
    @Inject(ENROLLED_METHODS) enrolled: EnrolledMethods | null = null,
  ) {
    this.#methods = new MethodReview(store, enrolled, options);
  }

  async check(id: string, input: CheckInput | undefined): Promise<ConfirmationResult> {
    if (input !== undefined) expectInput('check', input, CHECK_MEMBERS);
    const expected = input === undefined ? null : this.#parseCheck(input);
    if (expected !== null) this.#methods.assertAnswerable(expected, input?.context);
    const row = await this.store.find(id);
    if (row === null || (expected && !this.#matches(row, expected))) return [null, false];
    const state = this.states.stateOf(row);
    // A proof that was bound under a removed secret can never be used.
    const isBound = this.options.keyRing.keyOf(row.detailsMac) !== undefined;
    if (!isBound || state.status !== 'confirmed') return [state, false];
    const isRefused =
      expected !== null && (await this.#methods.reviewRow(row, expected, input?.context)).isRefused;
    return isRefused ? [null, false] : [state, true];
  }

  async use(id: string, input: UseInput): Promise<boolean> {
    expectInput('use', input, USE_MEMBERS);
    const { manager } = input;
    const parsed = this.#parseCheck(input);
    const key =
      input.idempotencyKey === undefined ? null : parseIdempotencyKey(input.idempotencyKey);
    if (key !== null && manager !== undefined) {
      throw new TwoFactorCallError(
        'Give idempotencyKey or manager. Inside a transaction, let the row of the effect carry the confirmation id, unique.',
      );
    }
    const { check, isRefused } = await this.#methods.reviewById(id, parsed, input.context, manager);
    if (!isRefused && (await this.store.use(this.#useValues(id, check, key), manager))) {
      this.publisher.used(id, check.binding, manager);
      return true;
    }
    const isNeeded = key !== null || this.publisher.hasSubscribers;
    if (!isNeeded) {
      await this.#logRefusal(id, check, manager);
      return false;
    }
    const row = await this.store.find(id, manager);
    if (key === null || row?.useKey !== key) this.#debugRefusal(this.#explain(id, row, check));
    if (row === null || row.usedAt === null || !this.#matches(row, check)) return false;
    // An earlier call with this key may have used the proof, and lost the answer.
    if (key !== null && row.useKey === key) return true;
    this.publisher.reuseRefused(row);
    return false;
  }

  /** Uses the proof, as `use` does, in the first statements of a transaction in which this package also changes the factors. */
  spending(id: string, input: CheckInput): ProofSpending {
    const check = this.#parseCheck(input);
    const values = this.#useValues(id, check, null);
    return {
      spend: () => this.store.useSteps(values),
      committed: () => this.publisher.used(id, check.binding, undefined),
      refused: () => this.#reportRefusal(id, check),
    };
  }

  /** As `use`, for the guard: `null` when this call used the proof, and otherwise why it was refused. */
  async redeem(id: string, input: CheckInput): Promise<ProofRefusal | null> {
    const { check, isRefused } = await this.#methods.reviewById(
      id,
      this.#parseCheck(input),
      input.context,
    );
    if (isRefused || !(await this.store.use(this.#useValues(id, check, null)))) {
      return this.#reportRefusal(id, check);
    }
    this.publisher.used(id, check.binding, undefined);
    return null;
  }

  /** As `redeem`, but it only reserves the proof: the handler of the call may still fail, and then the proof is released. */
  async reserve(id: string, input: CheckInput): Promise<ProofReservation | ProofRefusal> {
    const { check, isRefused } = await this.#methods.reviewById(
      id,
      this.#parseCheck(input),
      input.context,
    );
    const mark = newReservationMark();
    const row = isRefused ? null : await this.store.reserve(this.#useValues(id, check, mark));
    if (row === null) return this.#reportRefusal(id, check);
    const state = this.states.stateOf(asUnreserved(row));
    return new ProofReservation(state, mark, check.binding, this.store, this.publisher);
  }

  async cancel(id: string): Promise<boolean> {
    const row = await this.store.cancel(id);
    if (row === null) return false;
    await this.states.releasePendingSlot(row);
    return true;
  }

  async erase(input: { readonly subject: string }): Promise<number> {
    expectInput('erase', input, ERASE_MEMBERS);
    const subject = parseSubject(input.subject);
    // First, so that a repeated call after a failure still finds what is left.
    await this.factors?.erase(subject);
    const erased = await this.store.erase(subject);
    // Once more, because a call that had found a confirmation before may have remembered a device by it meanwhile.
    await this.factors?.erase(subject);
    return erased;
  }

  #parseCheck(input: CheckInput): ParsedCheck {
    const binding = parseBinding(input);
    const { senders: declared, methods } = this.options.purposes.get(binding.purpose) ?? {};
    return {
      binding,
      ways: allowedSenders(declared, input.senders),
      confirmedBy: parseConfirmedBy(input.confirmedBy),
      // The senders that a purpose declares restrict its sent codes only: its other methods send nothing, and are accepted. A
      // call that names senders itself accepts a sent code only.
      methodsWithoutSender:
        methods === undefined || input.senders !== undefined
          ? NO_METHODS
          : [...this.options.methods.keys()],
    };
  }

  #useValues(id: string, check: ParsedCheck, useKey: string | null): UseValues {
    const { binding, ways, confirmedBy, methodsWithoutSender } = check;
    const { purpose, subject } = binding;
    const detailsMacs = bindingMacs(this.options.keyRing, id, binding);
    return { id, purpose, subject, detailsMacs, useKey, ways, confirmedBy, methodsWithoutSender };
  }

  /**
   * Publishes the event of a refusal, and returns why. The row is read after the refusal, so that the proof may have become usable in
   * between.
   */
  async #reportRefusal(id: string, check: ParsedCheck): Promise<ProofRefusal> {
    const row = await this.store.find(id);
    if (row !== null && row.usedAt !== null && this.#matches(row, check)) {
      this.publisher.reuseRefused(row);
    }
    return this.#explain(id, row, check);
  }

  #explain(id: string, row: ConfirmationRow | null, check: ParsedCheck): ProofRefusal {
    return explainRefusal(id, row, check, this.options.keyRing, this.options.clock.now());
  }

  /** Reads the row for the debug log alone. A read that fails must not turn the refusal into an error. */
  async #logRefusal(
    id: string,
    check: ParsedCheck,
    manager: EntityManager | undefined,
  ): Promise<void> {
    if (!Logger.isLevelEnabled('debug')) return;
    try {
      this.#debugRefusal(this.#explain(id, await this.store.find(id, manager), check));
    } catch (error) {
      this.#logger.debug(`A use was refused. The reason cannot be read: ${messageOf(error)}`);
    }
  }

  #debugRefusal({ reason }: ProofRefusal): void {
    this.#logger.debug(`A use was refused. ${reason}`);
  }

  #matches(row: ConfirmationRow, check: ParsedCheck): boolean {
    return isProofFor(row, check, this.options.keyRing);
  }
}
