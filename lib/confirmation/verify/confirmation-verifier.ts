import { Inject, Injectable } from '@nestjs/common';

import type { Deadline } from '../../database/index.js';
import { TwoFactorInputError } from '../../errors/index.js';
import { limitsApplyToVerify } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { statusOf } from '../model/confirmation-status.js';
import type { ConfirmationAttempt } from '../model/inputs.interface.js';
import { QuotaScopeResolver } from '../model/quota-scope-resolver.js';
import type { Verification } from '../store/confirmation-writer.js';
import { ConfirmationStore } from '../store/confirmation.store.js';
import { CODE_METHOD } from './code-method.js';
import {
  CONFIRMATION_METHODS,
  type ChargedAttempt,
  type ConfirmationMethod,
  type ConfirmationMethods,
} from './confirmation-method.js';

/** How an attempt is restricted, and what its caller knows. */
export interface VerifyOptions {
  /**
   * The subject of the caller, empty for a caller without one. In purposes that are bound to a subject, a confirmation of
   * another subject is answered as an unknown one, so that a client does not learn that its id exists. Absent: the call is
   * the application's own, and may reach every confirmation.
   */
  readonly scopedSubject?: string | undefined;
  /** The row, when the caller has just read it and may access it. */
  readonly seen?: ConfirmationRow | undefined;
  /** The name of the method that the response is for. @default 'code' */
  readonly method?: string | undefined;
}

/** One attempt at a confirmation: runs the three steps of its method, and publishes what became of it. */
@Injectable()
export class ConfirmationVerifier {
  readonly #isLimited: boolean;

  constructor(
    private readonly store: ConfirmationStore,
    @Inject(CONFIRMATION_METHODS) private readonly methods: ConfirmationMethods,
    private readonly states: ConfirmationStates,
    private readonly scopes: QuotaScopeResolver,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.#isLimited = limitsApplyToVerify(options);
  }

  async verify(
    id: string,
    response: unknown,
    { scopedSubject, seen, method: name = CODE_METHOD }: VerifyOptions = {},
  ): Promise<ConfirmationAttempt> {
    const method = this.methods.get(name);
    if (method === undefined) throw new TwoFactorInputError(`There is no method "${name}".`);
    const parsed = method.parse(response);
    if (seen && statusOf(seen, this.options.clock.now()) !== 'pending') {
      return { state: this.states.stateOf(seen), outcome: 'refused' };
    }
    const charge = (deadline?: Deadline): Promise<Verification> =>
      method.charge(parsed, { id, scopedSubject: scopedSubject ?? null, seen, deadline });
    const charged = this.#isLimited ? await this.store.within(charge) : await charge();
    return charged.outcome === 'compared'
      ? this.#judge(method, parsed, charged)
      : this.#refuse(charged);
  }

  async #judge(
    method: ConfirmationMethod,
    response: unknown,
    charged: ChargedAttempt,
  ): Promise<ConfirmationAttempt> {
    const { row, failure } = charged;
    const evidence = await method.verify(response, charged);
    if (evidence === null) {
      this.publisher.attemptFailed(row, failure, method.guessOf(response));
      return { state: this.states.stateOf(row), outcome: 'mismatched' };
    }
    const confirmed = await method.settle(evidence, charged);
    if (confirmed === null) return this.#endedMeanwhile(row);
    this.publisher.confirmed(confirmed, method.confirmedBy);
    return { state: this.states.stateOf(confirmed), outcome: 'confirmed' };
  }

  #refuse(refused: Exclude<Verification, ChargedAttempt>): ConfirmationAttempt {
    if (refused.outcome === 'unknown') return { state: null, outcome: 'refused' };
    const { row } = refused;
    if (refused.outcome === 'ended') {
      return { state: this.states.stateOf(row), outcome: 'refused' };
    }
    this.publisher.attemptBlocked(refused.error, row, this.scopes.scopeOf(row));
    throw refused.error;
  }

  /** A concurrent call has confirmed or cancelled the confirmation after this attempt was counted. */
  async #endedMeanwhile({ id }: ConfirmationRow): Promise<ConfirmationAttempt> {
    const row = await this.store.find(id);
    return { state: row && this.states.stateOf(row), outcome: 'refused' };
  }
}
