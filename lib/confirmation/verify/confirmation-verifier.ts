import { Inject, Injectable } from '@nestjs/common';

import { codeMacs, parseCode } from '../../crypto/index.js';
import type { Deadline } from '../../database/index.js';
import { TwoFactorUnknownSecretError } from '../../errors/index.js';
import { limitsApplyToVerify, type QuotaReceipt } from '../../limits/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { statusOf } from '../model/confirmation-status.js';
import type { ConfirmationAttempt } from '../model/inputs.interface.js';
import { QuotaScopeResolver } from '../quota-scope-resolver.js';
import {
  CONFIRMATION_WRITER,
  type ConfirmationWriter,
  type Verification,
} from '../store/confirmation-writer.js';
import { ConfirmationStore } from '../store/confirmation.store.js';

/** How an attempt is restricted, and what its caller knows. */
export interface VerifyOptions {
  /** The subject of the caller, to which confirmations of other subjects are unknown; empty for none. Absent: any. */
  readonly scopedSubject?: string | undefined;
  /** The row, when the caller has just read it and may access it. */
  readonly seen?: ConfirmationRow | undefined;
}

/** One attempt at a confirmation: compares the code, and publishes what became of it. */
@Injectable()
export class ConfirmationVerifier {
  readonly #isLimited: boolean;

  constructor(
    private readonly store: ConfirmationStore,
    @Inject(CONFIRMATION_WRITER) private readonly writer: ConfirmationWriter,
    private readonly states: ConfirmationStates,
    private readonly scopes: QuotaScopeResolver,
    private readonly publisher: EventPublisher,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.#isLimited = limitsApplyToVerify(options);
  }

  async verify(
    id: string,
    code: string,
    { scopedSubject, seen }: VerifyOptions = {},
  ): Promise<ConfirmationAttempt> {
    const parsed = parseCode(code);
    if (seen && statusOf(seen, this.options.clock.now()) !== 'pending') {
      return { state: this.states.stateOf(seen), outcome: 'refused' };
    }
    const macs = codeMacs(this.options.keyRing, id, parsed);
    const attempt = (deadline: Pick<Deadline, 'expired'>): Promise<Verification> =>
      this.writer.verify({ id, macs, scopedSubject: scopedSubject ?? null, seen, deadline });
    const verification = this.#isLimited
      ? await this.store.within(attempt)
      : await attempt({ expired: false });
    return this.#report(verification, parsed);
  }

  #report(verification: Verification, code: string): ConfirmationAttempt {
    if (verification.outcome === 'unknown') return { state: null, outcome: 'refused' };
    const { row } = verification;
    if (verification.outcome === 'locked') {
      this.publisher.attemptBlocked(verification.error, row, this.scopes.scopeOf(row));
      throw verification.error;
    }
    if (verification.outcome === 'ended') {
      return { state: this.states.stateOf(row), outcome: 'refused' };
    }
    return this.#reportCompared(row, verification.isConfirmed, code, verification.failure);
  }

  #reportCompared(
    row: ConfirmationRow,
    isConfirmed: boolean,
    code: string,
    failure: QuotaReceipt | null,
  ): ConfirmationAttempt {
    const state = this.states.stateOf(row);
    if (isConfirmed) {
      this.publisher.confirmed(row, 'code');
      return { state, outcome: 'confirmed' };
    }
    if (row.codeMac !== null && !this.options.keyRing.keyOf(row.codeMac)) {
      throw new TwoFactorUnknownSecretError(
        'The confirmation was made under a secret that is not in the ring. Request a new one.',
      );
    }
    this.publisher.attemptFailed(row, failure, code);
    return { state, outcome: 'mismatched' };
  }
}
