import { Inject, Injectable } from '@nestjs/common';

import type { Deadline } from '../../database/index.js';
import {
  TwoFactorInputError,
  TwoFactorNotFoundError,
  TwoFactorStateError,
} from '../../errors/index.js';
import { limitsApplyToVerify } from '../../limits/index.js';
import {
  isName,
  NAME_RULE,
  purposeAccess,
  type PurposeAccess,
  type ResolvedOptions,
} from '../../options/index.js';
import { InjectTwoFactorOptions } from '../../two-factor.tokens.js';
import { ConfirmationStates } from '../confirmation-states.js';
import { EventPublisher } from '../event-publisher.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import { STATE_ERROR_CODES, statusOf } from '../model/confirmation-status.js';
import type { ConfirmationAttempt, MethodResponse } from '../model/inputs.interface.js';
import { isAccessible } from '../model/is-accessible.js';
import { allowsMethod, CODE_METHOD } from '../model/methods.js';
import { QuotaScopeResolver } from '../model/quota-scope-resolver.js';
import { PrefixWatch } from '../prefix-watch.js';
import type { Verification } from '../store/confirmation-writer.js';
import { ConfirmationStore } from '../store/confirmation.store.js';
import {
  CONFIRMATION_METHODS,
  WrongResponse,
  type ChargedAttempt,
  type ConfirmationMethod,
  type ConfirmationMethods,
  type Evidence,
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
}

/** One attempt at a confirmation: runs the three steps of its method, and publishes what became of it. */
@Injectable()
export class ConfirmationVerifier {
  readonly #isLimited: boolean;
  readonly #access: PurposeAccess;

  constructor(
    private readonly store: ConfirmationStore,
    @Inject(CONFIRMATION_METHODS) private readonly methods: ConfirmationMethods,
    private readonly states: ConfirmationStates,
    private readonly scopes: QuotaScopeResolver,
    private readonly publisher: EventPublisher,
    private readonly prefixes: PrefixWatch,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.#isLimited = limitsApplyToVerify(options);
    this.#access = purposeAccess(options);
  }

  async verify(
    id: string,
    response: MethodResponse | string,
    { scopedSubject, seen }: VerifyOptions = {},
  ): Promise<ConfirmationAttempt> {
    const isObject = typeof response === 'object' && response !== null;
    const given: { readonly method: string; readonly [member: string]: unknown } = isObject
      ? response
      : { method: CODE_METHOD, code: response };
    const method = this.#methodNamed(given.method);
    if (isObject && given[method.responseMember] === undefined) throw missingResponse(method);
    const parsed = method.parse(given[method.responseMember]);
    if (seen && statusOf(seen, this.options.clock.now()) !== 'pending') {
      return { state: this.states.stateOf(seen), outcome: 'refused' };
    }
    const attempt = async (deadline?: Deadline): Promise<ConfirmationAttempt> => {
      const given = { id, scopedSubject: scopedSubject ?? null, seen, deadline };
      const charged = await method.charge(parsed, given);
      return charged.outcome === 'compared'
        ? this.#judge(method, parsed, { deadline, ...charged })
        : this.#refuse(method, charged);
    };
    // Without limits a code is compared by one statement, which has a deadline of its own.
    const isOneStatement = !this.#isLimited && method.name === CODE_METHOD;
    return isOneStatement ? attempt() : this.store.withDeadline(attempt);
  }

  /**
   * What the browser needs before it can respond. Nothing is charged and nothing is written.
   *
   * @throws TwoFactorNotFoundError, TwoFactorStateError, TwoFactorInputError as `ConfirmerService.challenge`.
   */
  async challenge(id: string, name: string, options: VerifyOptions = {}): Promise<object> {
    const method = this.#methodNamed(name);
    return this.store.withDeadline((deadline) => this.#challenge(method, id, options, deadline));
  }

  async #challenge(
    method: ConfirmationMethod,
    id: string,
    { scopedSubject, seen }: VerifyOptions,
    deadline: Deadline,
  ): Promise<object> {
    const row = seen ?? (await this.store.find(id, deadline));
    if (row === null || !isAccessible(row, scopedSubject ?? null, this.#access)) {
      throw new TwoFactorNotFoundError('There is no such confirmation.');
    }
    const status = statusOf(row, this.options.clock.now());
    if (status !== 'pending') throw new TwoFactorStateError(STATE_ERROR_CODES[status]);
    const isAllowed = allowsMethod(row, method.name);
    const challenge = isAllowed ? ((await method.challenge?.(row, deadline)) ?? null) : null;
    if (challenge === null) throw new TwoFactorStateError('method-not-allowed');
    return challenge;
  }

  #methodNamed(name: string): ConfirmationMethod {
    const method = this.methods.get(name);
    if (method === undefined) throw unknownMethod(name, [...this.methods.keys()]);
    return method;
  }

  async #judge(
    method: ConfirmationMethod,
    response: unknown,
    charged: ChargedAttempt,
  ): Promise<ConfirmationAttempt> {
    const { row, failure } = charged;
    const evidence = await method.verify(response, charged);
    if (evidence === null || evidence instanceof WrongResponse) {
      this.publisher.attemptFailed(row, method.confirmedBy, failure, method.guessOf(response));
      return { state: this.states.stateOf(row), outcome: 'mismatched', reason: evidence?.reason };
    }
    const confirmed = await method.settle(evidence, charged);
    if (confirmed === null) return this.#lostRace(method, { response, evidence }, charged);
    if (method.name === CODE_METHOD) this.prefixes.confirmed(confirmed);
    this.publisher.confirmed(confirmed, method.confirmedBy);
    return { state: this.states.stateOf(confirmed), outcome: 'confirmed' };
  }

  #refuse(
    { name, confirmedBy }: ConfirmationMethod,
    refused: Exclude<Verification, ChargedAttempt>,
  ): ConfirmationAttempt {
    if (refused.outcome === 'unknown') return { state: null, outcome: 'refused' };
    const { row } = refused;
    if (refused.outcome === 'ended') {
      const isUnsent = name === CODE_METHOD && row.methods !== null && row.codeMac === null;
      const isRefused = isUnsent || !allowsMethod(row, name);
      if (isRefused && statusOf(row, this.options.clock.now()) === 'pending') {
        throw new TwoFactorStateError('method-not-allowed');
      }
      return { state: this.states.stateOf(row), outcome: 'refused' };
    }
    this.publisher.attemptBlocked(refused.error, confirmedBy, row, this.scopes.scopeOf(row));
    throw refused.error;
  }

  /**
   * A concurrent call has confirmed or cancelled the confirmation after this attempt was counted. If it is still pending, the
   * response itself was spent: the same code of an app, or the same recovery code, has confirmed another confirmation.
   */
  async #lostRace(
    method: ConfirmationMethod,
    { response, evidence }: { readonly response: unknown; readonly evidence: Evidence },
    { row: { id }, failure, deadline }: ChargedAttempt,
  ): Promise<ConfirmationAttempt> {
    const row = await this.store.find(id, deadline);
    if (row === null) return { state: null, outcome: 'refused' };
    const state = this.states.stateOf(row);
    if (state.status !== 'pending') return { state, outcome: 'refused' };
    this.publisher.attemptFailed(row, method.confirmedBy, failure, method.guessOf(response));
    return { state, outcome: 'mismatched', reason: evidence.refusal };
  }
}

function missingResponse({
  name,
  responseMember: member,
}: ConfirmationMethod): TwoFactorInputError {
  const detail = `The method ${name} confirms by ${member}, which is missing.`;
  return new TwoFactorInputError(detail, { detail });
}

/** The message is logged. A text that is no name stays out of the log. */
function unknownMethod(name: unknown, known: readonly string[]): TwoFactorInputError {
  if (name === undefined) {
    return new TwoFactorInputError(
      `The response lacks method: name one of ${known.join(', ')}. A string alone is a code that was sent.`,
    );
  }
  return new TwoFactorInputError(
    isName(name)
      ? `There is no method "${name}": name one of ${known.join(', ')}.`
      : `A method is ${NAME_RULE}.`,
  );
}
