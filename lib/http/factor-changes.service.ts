import { Injectable, type ExecutionContext } from '@nestjs/common';

import {
  ConfirmerService,
  type CheckInput,
  type ConfirmationRow,
  type ProofSpending,
} from '../confirmation/index.js';
import {
  TwoFactorConfirmationRequiredError,
  TwoFactorConflictError,
  TwoFactorNotFoundError,
} from '../errors/index.js';
import {
  assertStillThere,
  FactorService,
  hasRecovery,
  methodsOfFactors,
  RECOVERY,
  type ChangeCondition,
  type SubjectFactors,
} from '../methods/index.js';
import {
  DEVICE_METHOD,
  FACTORS_PURPOSE,
  hasStrong,
  type ResolvedOptions,
} from '../options/index.js';
import { MethodChooser } from '../request/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { proofIdOf } from './confirmation-id.js';
import type { FactorChangeDetails } from './factor-details.js';
import { errorForRefusal } from './proof-refusal.js';
import { PurposeService } from './purpose.service.js';

/** Thrown inside the transaction of a change whose proof was refused, so that the transaction is rolled back. */
class ProofRefusedError extends Error {}

/**
 * A change of the factors of a subject, such as an enrolment. It calls the given service, whose transaction also uses the proof:
 * neither happens without the other.
 */
type FactorChange<T> = (factors: FactorService, subject: string) => Promise<T>;

/** Changes the factors of the caller of a route. Each change spends a proof for exactly that change, in its transaction. */
@Injectable()
export class FactorChangesService {
  constructor(
    private readonly purposes: PurposeService,
    private readonly chooser: MethodChooser,
    private readonly confirmer: ConfirmerService,
    private readonly factors: FactorService,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /** The subject of a caller, whose factors alone the routes touch. @throws TwoFactorNoSubjectError for a caller without one. */
  async subjectOf(context: ExecutionContext): Promise<string> {
    return this.purposes.subject(FACTORS_PURPOSE, context);
  }

  /**
   * The methods that prove a change depend on what the subject has enrolled. That is read before the transaction, and compared
   * inside of it, which is rolled back if it has changed: a proof by a sent code, confirmed before the owner enrolled an
   * authenticator, changes nothing afterwards.
   *
   * @throws TwoFactorConfirmationRequiredError, TwoFactorConfirmationUsedError when the proof is refused; the factors are as they
   * were then.
   * @throws TwoFactorConflictError when a concurrent change was faster, TwoFactorNotFoundError for an unknown factor; the proof is
   * as it was then.
   */
  async change<T>(
    given: FactorChangeDetails,
    context: ExecutionContext,
    change: FactorChange<T>,
  ): Promise<T> {
    const details = await this.purposes.routeDetails(FACTORS_PURPOSE, () => given, context);
    // Never null: this purpose has methods where the option `methods` is set, and the routes exist only there.
    const demand = (await this.purposes.methods(FACTORS_PURPOSE, context))!;
    const { subject } = demand;
    const { enrolled, methods } = await this.chooser.allowedMethods(demand);
    const judge: ChangeCondition['judge'] = (known) => {
      const now = methodsOfFactors(known.factors, this.options.methods);
      if (!hasSameMethods(now, enrolled)) throw concurrentChangeError();
      assertExists(given, known);
    };
    if (this.#needsNoProof(given, enrolled)) {
      return change(this.factors.requiring({ before: nothing, judge }), subject);
    }
    const id = await proofIdOf(context);
    if (methods.length === 0) throw new TwoFactorConfirmationRequiredError(NO_METHOD);
    const binding: CheckInput = {
      purpose: FACTORS_PURPOSE,
      subject,
      details,
      confirmedBy: methods,
    };
    const spending = this.confirmer.spending(id, binding);
    return this.#spend(spending, judge, (factors) => change(factors, subject));
  }

  async #spend<T>(
    spending: ProofSpending,
    judge: ChangeCondition['judge'],
    change: (factors: FactorService) => Promise<T>,
  ): Promise<T> {
    let proof: ConfirmationRow | null = null;
    const before: ChangeCondition['before'] = function* () {
      proof = yield* spending.spend();
      if (proof === null) throw new ProofRefusedError();
    };
    const judgeBoth: ChangeCondition['judge'] = (known) => {
      judge(known);
      assertStillThere(proof!, known);
    };
    try {
      const changed = await change(this.factors.requiring({ before, judge: judgeBoth }));
      // A change that ends before its transaction has changed nothing, and no proof was checked: its answer must not report the
      // change, and no event the use of a proof.
      if (proof === null) throw unknownFactor();
      spending.committed();
      return changed;
    } catch (error) {
      if (!(error instanceof ProofRefusedError)) throw error;
      throw errorForRefusal(await spending.refused());
    }
  }

  /** Whether the session alone is enough to enrol the first authenticator, as an application may declare that cannot send codes. */
  #needsNoProof({ change }: FactorChangeDetails, enrolled: readonly string[]): boolean {
    const { firstFactor } = this.options.purposes.get(FACTORS_PURPOSE) ?? {};
    const isFirst = change === 'enrol' && !hasStrong(enrolled, this.options.methods);
    return isFirst && firstFactor === 'session';
  }
}

const NO_METHOD =
  'The person has nothing that proves a change of the factors. Give purposes.factors a recipient, or firstFactor.';

function* nothing(): Generator<never, void> {}

/** A remembered device neither proves a change of the factors nor makes one outdated. */
function hasSameMethods(now: readonly string[], seen: readonly string[]): boolean {
  const counted = (names: readonly string[]): string =>
    names.filter((name) => name !== DEVICE_METHOD).join();
  return counted(now) === counted(seen);
}

function concurrentChangeError(): TwoFactorConflictError {
  return new TwoFactorConflictError(
    'A concurrent change of the factors has changed what proves this one. Repeat the call.',
  );
}

/**
 * An authenticator that is not there must cost no proof. Recovery codes of which none is left are there all the same: the owner ends
 * what a thief has confirmed by the last one, by removing them. So is what is not intact: it can be removed, and not renamed.
 */
function assertExists(given: FactorChangeDetails, known: SubjectFactors): void {
  if (given.change !== 'rename' && given.change !== 'remove') return;
  if (!hasFactor(given, known)) throw unknownFactor();
}

function hasFactor(
  { change, factor }: Extract<FactorChangeDetails, { readonly change: 'remove' | 'rename' }>,
  known: SubjectFactors,
): boolean {
  if (change === 'rename') {
    return known.factors.some(({ id, activatedAt }) => id === factor && activatedAt !== null);
  }
  return factor === RECOVERY ? hasRecovery(known) : known.stored.some(({ id }) => id === factor);
}

function unknownFactor(): TwoFactorNotFoundError {
  return new TwoFactorNotFoundError('The subject has no such factor.');
}
