import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  codeMac,
  codeMacs,
  detailsMac,
  detailsMacs,
  drawBytes,
  ID_RANDOM_BYTES,
  idFromRequestKey,
  newId,
  NONCE_BYTES,
  normaliseCode,
  openEnvelope,
  parseCode,
  parseId,
  sealEnvelope,
  type KeyRing,
  type EnvelopeContent,
} from '../crypto/index.js';
import { databaseTimeoutError, type Deadline } from '../database/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorConflictError,
  TwoFactorInputError,
  TwoFactorUnknownSecretError,
} from '../errors/index.js';
import {
  LimitService,
  limitsApplyToVerify,
  type QuotaReceipt,
  type QuotaScope,
  type QuotaDemand,
  type PendingSlotRequest,
} from '../limits/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import {
  parseBinding,
  parseSubject,
  type ProofBinding,
  type StoredBinding,
} from './model/binding.js';
import type { ConfirmationRow } from './model/confirmation-record.entity.js';
import {
  ConfirmationState,
  openContent,
  stateRow,
  type StateAccess,
} from './model/confirmation-state.js';
import { statusOf } from './model/confirmation-status.js';
import {
  ConfirmationStore,
  rowAfterInsert,
  type NewConfirmation,
} from './store/confirmation.store.js';
import { EventPublisher, limitOf } from './event-publisher.js';
import { QuotaScopeResolver } from './quota-scope-resolver.js';
import { canonicalJson, type JsonValue } from './model/plain-json.js';
import { asUnreserved, newReservationMark, ProofReservation } from './use/proof-reservation.js';
import { PurgeService, type PurgeInput } from './purge/purge.service.js';
import { pollBriefly } from './create/poll-briefly.js';
import { parseToken, parseWay } from './model/token.js';
import { allowedWays, isByWay } from './model/ways.js';

/** What `makeConfirmation` takes; everything is optional. */
export interface MakeConfirmationInput extends ProofBinding {
  /** Any JSON of the application, up to 16 kB, kept with the confirmation. */
  readonly meta?: JsonValue | undefined;
  /** Confirmed from the start: there is no code then. @default false */
  readonly isConfirmed?: boolean | undefined;
  /** Where the code will go; else the first `SenderService.send` says it. */
  readonly token?: string | undefined;
  /**
   * Who named the token. A token that a client named for a subject (a new phone number) is counted as a stranger's, so that
   * it neither uses up nor locks what the subject's own token has. @default 'application'
   */
  readonly tokenFrom?: 'client' | 'application' | undefined;
  /** The sender's name. */
  readonly way?: string | undefined;
  /** Life of the code, 30 to 86,400 seconds; more than 600 is for proving a mailbox by e-mail only (NIST SP 800-63B-4 4.2.1.2). */
  readonly ttlSeconds?: number | undefined;
  /** Extra data for the sender (locale and so on): plain JSON up to 4 kB, sealed, and kept for a resend. */
  readonly context?: SendContext | undefined;
  /**
   * 16 to 128 characters: the same key, purpose and subject make one confirmation, however often they are asked for,
   * until that is purged. Draw a new one for each request.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Makes it part of this manager's transaction. Send only after that has committed. It takes no pending slot: one would
   * keep others waiting for the end of the transaction.
   */
  readonly manager?: EntityManager | undefined;
}

/** The application's words to a sender backend: the recipient's locale, a template's name, and so on. */
export interface SendContext {
  readonly [key: string]: JsonValue;
}

/** What a proof must have been made for, and by which way its code must have gone out. */
export interface CheckInput extends ProofBinding {
  /**
   * The only senders whose codes are a proof, by their names; of those that the purpose allows, if it declares some.
   * @default these, else all
   */
  readonly senders?: readonly string[] | undefined;
}

/** What `use` takes beside the confirmation: what the proof must have been made for, and how it is spent. */
export interface UseInput extends CheckInput {
  /** Spends the proof in the transaction of this manager, together with what it protects. Excludes `key`. */
  readonly manager?: EntityManager | undefined;
  /** 16 to 128 characters: the same key is answered true again, after an answer was lost. Excludes `manager`. */
  readonly idempotencyKey?: string | undefined;
}

/** A confirmation, and whether the call could do what its name says. */
export type ConfirmationResult =
  | readonly [state: ConfirmationState, done: true]
  | readonly [state: ConfirmationState | null, done: false];

/** What became of one code: `refused` was not compared, and charged nothing. */
export type ConfirmationAttempt =
  | { readonly state: ConfirmationState; readonly outcome: 'confirmed' | 'mismatched' }
  | { readonly state: ConfirmationState | null; readonly outcome: 'refused' };

/** What a request spends beside its place: a message by a sender, caused by somebody. */
export interface InitialMessage {
  readonly way: string;
  readonly requester: string | undefined;
}

/** A confirmation; a request key may stand for one that was there. */
export interface CreatedConfirmation {
  readonly state: ConfirmationState;
  /** What this call wrote down as sent, and must hand over; `null` for nothing. */
  readonly pendingMessage: EnvelopeContent | null;
  /** What its message has cost, if it is not written down yet. */
  readonly receipt: QuotaReceipt | null;
}

/** A state, or the id of one: of a state only the id is taken. */
export type ConfirmationReference = ConfirmationState | string;

/** What `makeConfirmation` was given, member by member checked. */
interface ParsedInput {
  readonly binding: StoredBinding;
  readonly manager: EntityManager | undefined;
  readonly isConfirmed: boolean;
  /** JSON text. */
  readonly meta: string | null;
  readonly token: string | undefined;
  readonly tokenFrom: 'client' | 'application';
  readonly way: string | undefined;
  readonly key: string | undefined;
  readonly context: SendContext | undefined;
  readonly ttlMs: number;
}

const MAX_META_BYTES = 16_384;
const MAX_CONTEXT_BYTES = 4_096;
/** No JSON text is empty. */
const NO_DETAILS = '';
const KEY = /^[\x21-\x7e]{16,128}$/;
const TTL_SECONDS = { min: 30, max: 86_400 } as const;

/**
 * Makes, checks, confirms, uses and cancels confirmations. Outcomes are values; a broken contract is a
 * `TwoFactorInputError`, which charges nothing; a database that does not answer is a `TwoFactorUnavailableError`.
 *
 * @example
 * ```ts
 * const state = await confirmer.makeConfirmation({ purpose: 'login', subject: user.id });
 * await sender.send('email', user.email, state);
 * // ... the person types the code:
 * const [, confirmed] = await confirmer.confirm(state.id, code);
 * // ... and it is spent, by one caller, once:
 * const used = await confirmer.use(state.id, { purpose: 'login', subject: user.id });
 * ```
 * @publicApi
 */
@Injectable()
export class ConfirmerService {
  readonly #access: StateAccess = {
    now: () => this.options.clock.now(),
    open: (row) =>
      row.envelope === null ? null : openEnvelope(this.options.keyRing, row.envelope, row),
    normalize: (token) => this.limits.normalize(token),
    confirmByHand: (id) => this.#confirmByHand(id),
  };

  /** @internal It is injected. */
  constructor(
    private readonly store: ConfirmationStore,
    private readonly limits: LimitService,
    private readonly parties: QuotaScopeResolver,
    private readonly teller: EventPublisher,
    private readonly purger: PurgeService,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Makes a pending confirmation with a fresh code. Nothing is sent.
   *
   * @throws TwoFactorInputError for a member of the wrong shape, or a key that stands for another request.
   * @throws TwoFactorTooManyRequestsError when the token is locked, or there are too many pending confirmations.
   */
  async makeConfirmation(input: MakeConfirmationInput = {}): Promise<ConfirmationState> {
    const { state } = await this.make(input);
    return state;
  }

  /**
   * As `makeConfirmation`, with its first message: charged together with its place. It is also written down as sent, unless
   * there is a key: whose answer is lost asks again, and must find out that nothing was handed over.
   *
   * @internal
   */
  async make(input: MakeConfirmationInput, message?: InitialMessage): Promise<CreatedConfirmation> {
    const parsed = this.#parsed(input);
    const code = parsed.isConfirmed ? null : await this.drawCode();
    // A caller's transaction has limits of its own, and must not be used by a call that goes on behind its back.
    const { manager } = parsed;
    return manager === undefined
      ? this.store.within((deadline) => this.#makeWithin(deadline, parsed, code, message))
      : this.#makeWithin({ expired: false }, parsed, code, message);
  }

  async #makeWithin(
    deadline: Pick<Deadline, 'expired'>,
    parsed: ParsedInput,
    code: string | null,
    message: InitialMessage | undefined,
  ): Promise<CreatedConfirmation> {
    const { binding, manager, token, key, ttlMs } = parsed;
    const keyIds = key === undefined ? [] : idsFromRequestKey(this.options.keyRing, key, binding);
    const isToBeSent = message !== undefined && key === undefined;
    const hasSlot = code !== null && manager === undefined && message === undefined;
    const { row, sealed } = this.#newRow(parsed, code, keyIds[0], { isToBeSent, hasSlot });
    const { id, purpose, subject } = row;
    const { tokenFrom } = parsed;
    const party = { token: token ?? null, tokenFrom, subject, purpose, hasSlot };
    // The same request may have been made before, also under a secret that no longer signs: then it costs nothing.
    const repeated = async (ids = keyIds): Promise<CreatedConfirmation | null> => {
      for (const keyId of ids) {
        const found = await this.store.find(keyId, manager);
        if (found !== null) return this.#replay(row, binding, token, found);
      }
      return null;
    };
    // In a transaction the INSERT itself looks for the current one: a look before it would fix an older snapshot.
    const before = await repeated(manager === undefined ? keyIds : keyIds.slice(1));
    if (before !== null) return before;
    const opens = { id, ttlMs };
    const request = {
      token: party.token,
      tokenFrom,
      subject,
      purpose,
      hasSlot,
      opens,
      sends: message,
    };
    const isLimited = code !== null && manager === undefined;
    const isInserted = isLimited && key === undefined && (await this.#insertCharging(row, request));
    let charged: QuotaReceipt | null = null;
    if (!isInserted) {
      try {
        // What is confirmed by hand is the application's own decision, whoever guesses meanwhile.
        if (code !== null && manager !== undefined)
          await this.limits.assertUnlocked(party, manager);
        else if (code !== null) charged = await this.limits.consumeForRequest(request);
      } catch (error) {
        // What stands in the way may be the same request in another call, which has charged and not yet inserted.
        const mayBeOurs = key !== undefined && isHeldByConcurrentRepeat(error);
        const meanwhile = mayBeOurs ? await pollBriefly(() => repeated()) : null;
        if (meanwhile !== null) return meanwhile;
        this.teller.sendBlocked(error, { id: '', way: row.way }, party);
        throw error;
      }
      if (deadline.expired) {
        if (charged) await this.limits.refund(charged);
        throw databaseTimeoutError();
      }
      const counted =
        this.store.supportsAtomicWrite && code !== null
          ? this.limits.quotaKeys(charged?.charges ?? this.limits.failuresOf(party))
          : null;
      if (!(await this.#insert({ ...row, ...counted }, key === undefined, charged, manager))) {
        if (charged) await this.limits.refund(charged);
        return this.#replay(row, binding, token, await this.store.find(id, manager));
      }
      // It was made too late for its caller, and no other call can know its id: it costs nothing. One with a key will be asked for.
      if (deadline.expired && key === undefined && charged) await this.limits.refund(charged);
    }
    this.teller.created(row, party, manager);
    const state = this.stateOf(rowAfterInsert(row));
    return { state, pendingMessage: isToBeSent ? sealed : null, receipt: charged };
  }

  /**
   * Whether `use` could succeed now. Reads, and changes nothing. With a binding, only a proof for exactly that counts;
   * without one, only the confirmation's own state does.
   *
   * @throws TwoFactorInputError for a malformed id or binding.
   */
  async check(
    confirmation: ConfirmationReference,
    binding?: CheckInput,
  ): Promise<ConfirmationResult> {
    const id = idOf(confirmation);
    const expected =
      binding === undefined ? undefined : parseBinding(assertInput('check', binding));
    const ways = expected ? this.#waysOf(expected.purpose, binding?.senders) : null;
    const row = await this.store.find(id);
    if (row === null || (expected && !this.#matchesBinding(row, expected, ways)))
      return [null, false];
    const state = this.stateOf(row);
    // Bound under a secret that is gone, it can never be used.
    const isBound = this.options.keyRing.keyOf(row.detailsMac) !== undefined;
    return [state, isBound && state.status === 'confirmed'];
  }

  /**
   * Confirms by the code. Charges one failure of the token, then one attempt with the comparison, each in one
   * committed statement on a connection of its own: also when it is called inside a transaction. A right code gives the
   * failures back.
   *
   * @returns whether this call confirmed it: `[state, false]` for a wrong code (see `attemptsLeft`) and for one that is
   * confirmed, used, cancelled, locked or expired (see `status`); `[null, false]` for an unknown id.
   * @throws TwoFactorInputError for what cannot be a code or an id; nothing is charged.
   * @throws TwoFactorTooManyRequestsError while the token is locked; nothing is compared, and nothing charged.
   * @throws TwoFactorUnknownSecretError when the secret is gone from the ring; the attempt is charged.
   */
  async confirm(confirmation: ConfirmationReference, code: string): Promise<ConfirmationResult> {
    const { state, outcome } = await this.attempt(confirmation, code);
    return outcome === 'confirmed' ? [state, true] : [state, false];
  }

  /**
   * As `confirm`, telling a code that was compared and is wrong from a confirmation that could not be confirmed.
   *
   * @param seen the row, if it was read just now, because `attemptAs` could not do it.
   * @internal
   */
  async attempt(
    confirmation: ConfirmationReference,
    code: string,
    seen?: ConfirmationRow,
  ): Promise<ConfirmationAttempt> {
    const id = idOf(confirmation);
    const parsed = parseCode(code);
    if (seen && statusOf(seen, this.options.clock.now()) !== 'pending') {
      return { state: this.stateOf(seen), outcome: 'refused' };
    }
    if (!limitsApplyToVerify(this.options)) return this.#compare(id, parsed, null, null);
    return this.store.within(async (deadline) => {
      const charged = await this.#compareCharging(id, parsed, null);
      if (charged !== null) return charged;
      // In one process one after the other: the second call finds it confirmed before it is charged for nothing.
      return this.store.serializeAttempts(id, async () => {
        if (deadline.expired) throw databaseTimeoutError();
        const known = (!this.store.supportsAtomicWrite && seen) || (await this.store.find(id));
        return this.#attempt(deadline, id, parsed, known);
      });
    });
  }

  /**
   * As `attempt`, in one statement with the question whose confirmation it is; `null` when it was not compared, whatever the
   * reason, or when that takes several.
   *
   * @param whose the subject; empty for nobody.
   * @internal
   */
  async attemptAs(id: string, code: string, whose: string): Promise<ConfirmationAttempt | null> {
    const parsed = parseCode(code);
    if (!limitsApplyToVerify(this.options)) {
      const charged = await this.store.confirm(
        id,
        codeMacs(this.options.keyRing, id, parsed),
        whose,
      );
      return charged && this.#report(charged.row, charged.confirmed, parsed, null);
    }
    const attempt = await this.#compareCharging(id, parsed, whose);
    return attempt?.outcome === 'refused' ? null : attempt;
  }

  /**
   * Spends the proof: true for exactly one caller, ever. Purpose, subject and details must be those it was made for;
   * absent means none. A refused call leaves the proof as it was.
   *
   * @throws TwoFactorInputError for a malformed id, binding or key, and for both `key` and `manager`.
   * @throws TwoFactorConflictError when the manager's transaction lost a race.
   */
  async use(confirmation: ConfirmationReference, input: UseInput = {}): Promise<boolean> {
    const id = idOf(confirmation);
    const { manager } = assertInput('use', input);
    const binding = parseBinding(input);
    const key = input.idempotencyKey === undefined ? null : parseKey(input.idempotencyKey);
    if (key !== null && manager !== undefined) {
      throw new TwoFactorInputError(
        'Give key or manager. Inside a transaction, let the row of the effect carry the confirmation id, unique.',
      );
    }
    const { purpose, subject } = binding;
    const ways = this.#waysOf(purpose, input.senders);
    const macs = this.#detailsMacs(id, binding);
    const used = await this.store.use(
      { id, purpose, subject, detailsMacs: macs, useKey: key, ways },
      manager,
    );
    if (used) {
      this.teller.used(id, binding, manager);
      return true;
    }
    if (key === null && !this.teller.hasSubscribers) return false;
    const row = await this.store.find(id, manager);
    if (row === null || row.usedAt === null || !this.#matchesBinding(row, binding, ways))
      return false;
    // An earlier call with this key may have spent it, and its answer may be lost.
    if (key !== null && row.useKey === key) return true;
    this.teller.reuseRefused(row);
    return false;
  }

  /**
   * As `use`, for a call that may still fail: `null` when the proof was refused.
   *
   * @internal
   */
  async reserve(
    confirmation: ConfirmationReference,
    input: CheckInput,
  ): Promise<ProofReservation | null> {
    const id = idOf(confirmation);
    const binding = parseBinding(input);
    const { purpose, subject } = binding;
    const ways = this.#waysOf(purpose, input.senders);
    const mark = newReservationMark();
    const macs = this.#detailsMacs(id, binding);
    const row = await this.store.reserve({
      id,
      purpose,
      subject,
      detailsMacs: macs,
      useKey: mark,
      ways,
    });
    if (row !== null) {
      return new ProofReservation(
        this.stateOf(asUnreserved(row)),
        mark,
        binding,
        this.store,
        this.teller,
      );
    }
    const refused = this.teller.hasSubscribers ? await this.store.find(id) : null;
    if (
      refused !== null &&
      refused.usedAt !== null &&
      this.#matchesBinding(refused, binding, ways)
    ) {
      this.teller.reuseRefused(refused);
    }
    return null;
  }

  /** Ends a confirmation that is not used yet. @returns whether this call did. */
  async cancel(confirmation: ConfirmationReference): Promise<boolean> {
    const row = await this.store.cancel(idOf(confirmation));
    if (row === null) return false;
    await this.releasePendingSlot(row);
    return true;
  }

  /**
   * Deletes all confirmations of a subject, alive or not (GDPR art. 17). There is no index on the subject: on a large
   * table this reads it all.
   *
   * @returns how many there were.
   */
  async erase(input: { readonly subject: string }): Promise<number> {
    return this.store.erase(parseSubject(assertInput('erase', input).subject));
  }

  /**
   * Deletes rows that can neither be confirmed nor used any more, in paced batches. The module does it by itself unless
   * `autoPurge` is false.
   *
   * @returns how many there were.
   */
  async purge(input?: PurgeInput): Promise<number> {
    return this.purger.purge(input);
  }

  /**
   * One code of the configured generator, normalised.
   *
   * @throws TwoFactorConfigurationError when the generator makes something that nobody could type back.
   * @internal
   */
  async drawCode(): Promise<string> {
    const code = normaliseCode(await this.options.codeGenerator());
    if (code === null) {
      throw new TwoFactorConfigurationError(
        'The codeGenerator made something that is not 6 to 64 printable ASCII characters. Let it make such codes.',
      );
    }
    return code;
  }

  /** @internal */
  stateOf(row: ConfirmationRow): ConfirmationState {
    return new ConfirmationState(row, this.#access);
  }

  /** In one statement; `null` when it was refused, and others must say why. */
  async #compareCharging(
    id: string,
    code: string,
    whose: string | null,
  ): Promise<ConfirmationAttempt | null> {
    const { keyRing } = this.options;
    const owner = this.limits.ownerOf(id);
    const compared = await this.store.verifyAtomically(
      id,
      codeMacs(keyRing, id, code),
      owner,
      whose,
    );
    if (compared === null || compared.outcome === 'refused') return null;
    if (compared.outcome === 'unknown') return { state: null, outcome: 'refused' };
    const { row } = compared;
    if (compared.outcome === 'ended') return { state: this.stateOf(row), outcome: 'refused' };
    const party = (): QuotaScope => this.parties.scopeOf(row);
    const failure = this.limits.charged({ locks: compared.locks, party });
    return this.#report(row, row.confirmedAt !== null, code, failure);
  }

  async #attempt(
    deadline: Deadline,
    id: string,
    code: string,
    seen: ConfirmationRow | null,
  ): Promise<ConfirmationAttempt> {
    if (seen === null || seen.codeMac === null) {
      return { state: seen && this.stateOf(seen), outcome: 'refused' };
    }
    if (statusOf(seen, this.options.clock.now()) !== 'pending') {
      return { state: this.stateOf(seen), outcome: 'refused' };
    }
    const party = this.parties.scopeOf(seen);
    // A code that can no longer be compared is no guess.
    const isKnown = this.options.keyRing.keyOf(seen.codeMac) !== undefined;
    const failure = isKnown ? await this.#chargeComparison(seen, party) : null;
    if (deadline.expired) {
      if (failure) await this.limits.refund(failure);
      throw databaseTimeoutError();
    }
    const attempt = await this.#compare(id, code, party, failure);
    if (attempt.outcome === 'refused' && failure) await this.limits.refund(failure);
    return attempt;
  }

  async #chargeComparison(row: ConfirmationRow, party: QuotaScope): Promise<QuotaReceipt> {
    try {
      return await this.limits.consumeFailure(party);
    } catch (error) {
      this.teller.attemptBlocked(error, row, party);
      throw error;
    }
  }

  /** Charges an attempt and compares, whatever it has cost before. */
  async #compare(
    id: string,
    code: string,
    party: QuotaScope | null,
    failure: QuotaReceipt | null,
  ): Promise<ConfirmationAttempt> {
    const { keyRing } = this.options;
    const charged = await this.store.confirm(id, codeMacs(keyRing, id, code), null);
    if (charged === null) {
      const row = await this.store.find(id);
      return { state: row && this.stateOf(row), outcome: 'refused' };
    }
    const { row, confirmed } = charged;
    const attempt = this.#report(row, confirmed, code, failure);
    if (confirmed && party)
      await this.limits.resetAfterSuccess(this.limits.resetOnSuccess(party, id));
    else if (party && row.attempts >= row.maxAttempts) await this.releasePendingSlot(row);
    return attempt;
  }

  /** What became of a code that was compared. */
  #report(
    row: ConfirmationRow,
    isConfirmed: boolean,
    code: string,
    failure: QuotaReceipt | null,
  ): ConfirmationAttempt {
    const state = this.stateOf(row);
    if (isConfirmed) {
      this.teller.confirmed(row, 'code');
      return { state, outcome: 'confirmed' };
    }
    if (row.codeMac !== null && !this.options.keyRing.keyOf(row.codeMac)) {
      throw new TwoFactorUnknownSecretError(
        'The confirmation was made under a secret that is not in the ring. Request a new one.',
      );
    }
    this.teller.attemptFailed(row, failure, code);
    return { state, outcome: 'mismatched' };
  }

  async #confirmByHand(id: string): Promise<ConfirmationRow | null> {
    const row = await this.store.confirmByHand(id);
    if (row === null) return null;
    await this.releasePendingSlot(row);
    this.teller.confirmed(row, 'hand');
    return row;
  }

  /**
   * Its place is free; what was guessed at it still counts.
   *
   * @internal
   */
  async releasePendingSlot(row: ConfirmationRow): Promise<void> {
    await this.limits.releaseSlot(this.parties.scopeOf(row), row.id);
  }

  #parsed(input: MakeConfirmationInput): ParsedInput {
    const { manager, isConfirmed = false } = assertInput('makeConfirmation', input);
    if (typeof isConfirmed !== 'boolean')
      throw new TwoFactorInputError('isConfirmed is true or false.');
    const binding = parseBinding(input);
    const meta =
      (input.meta ?? null) === null ? null : canonicalJson('meta', input.meta, MAX_META_BYTES);
    const token = input.token === undefined ? undefined : parseToken(input.token);
    const way = input.way === undefined ? undefined : parseWay(input.way);
    const tokenFrom = parseTokenFrom(input.tokenFrom);
    const key = input.idempotencyKey === undefined ? undefined : parseKey(input.idempotencyKey);
    const context = parseContext(input.context);
    this.#assertProvable(binding.purpose, way, isConfirmed);
    const ttlMs = this.#ttlSeconds(input.ttlSeconds) * 1_000;
    if (isConfirmed && (token ?? way ?? context) !== undefined) {
      throw new TwoFactorInputError(
        'A confirmation that is confirmed from the start has nothing to send. Leave token, way and context out.',
      );
    }
    return {
      binding,
      manager,
      isConfirmed,
      meta,
      token,
      tokenFrom,
      way,
      key,
      context,
      ttlMs,
    };
  }

  /** Of what no proof could come nothing is made. */
  #assertProvable(purpose: string, way: string | undefined, isConfirmed: boolean): void {
    const allowed = this.options.purposes.get(purpose)?.senders;
    if (allowed === undefined) return;
    if (isConfirmed) {
      throw new TwoFactorInputError(
        `The purpose "${purpose}" is confirmed by the ways ${allowed.join(', ')} alone, and what is confirmed from the ` +
          'start came by none. Leave senders out of the purpose.',
      );
    }
    if (way === undefined || allowed.includes(way)) return;
    throw new TwoFactorInputError(
      `The purpose "${purpose}" is confirmed by one of the ways ${allowed.join(', ')}.`,
    );
  }

  /** What is to be inserted, and what is sealed in it; `keyId` is the id that a request key stands for. */
  #newRow(
    { binding, meta, token, tokenFrom, way, context, ttlMs }: ParsedInput,
    code: string | null,
    keyId: string | undefined,
    { isToBeSent, hasSlot }: { readonly isToBeSent: boolean; readonly hasSlot: boolean },
  ): { readonly row: NewConfirmation; readonly sealed: EnvelopeContent | null } {
    const { keyRing, maxAttempts, useWithinSeconds } = this.options;
    const { purpose, subject, details } = binding;
    const now = this.options.clock.now();
    // One draw for both.
    const random = drawBytes(ID_RANDOM_BYTES + NONCE_BYTES);
    const id = keyId ?? newId(now, random.subarray(0, ID_RANDOM_BYTES));
    const nonce = random.subarray(ID_RANDOM_BYTES);
    const sealed: EnvelopeContent | null =
      code === null
        ? null
        : {
            code,
            token,
            way,
            context,
            tokenFrom: tokenFrom === 'client' ? tokenFrom : undefined,
            hasSlot: hasSlot || undefined,
          };
    const row: NewConfirmation = {
      id,
      purpose,
      subject,
      details,
      meta,
      detailsMac: detailsMac(keyRing.current, id, details ?? NO_DETAILS),
      maxAttempts,
      createdAt: now,
      expiresAt: now + ttlMs,
      way: way ?? '',
      codeMac: code === null ? null : codeMac(keyRing.current, id, code),
      envelope: sealed && sealEnvelope(keyRing, sealed, { id, purpose, subject }, nonce),
      failureKeys: null,
      slotKeys: null,
      sends: isToBeSent ? 1 : 0,
      lastSentAt: isToBeSent ? now : null,
      confirmedAt: code === null ? now : null,
      useBefore: code === null ? now + useWithinSeconds * 1_000 : null,
    };
    return { row, sealed };
  }

  /** In one statement with all that it costs; false when it was refused, and others must say why. */
  async #insertCharging(
    row: NewConfirmation,
    request: QuotaDemand & { readonly opens: PendingSlotRequest },
  ): Promise<boolean> {
    if (!this.store.supportsAtomicWrite) return false;
    const bid = this.limits.creationQuota(request);
    if (bid.charges.length === 0) return false;
    const counted = this.limits.quotaKeys(bid.charges);
    const made = await this.store.createAtomically({ ...row, ...counted }, bid);
    if (made === null) return false;
    if (made.inVain.length > 0) {
      await this.limits.refund({
        charges: bid.charges.filter(({ key }) => made.inVain.includes(key)),
      });
    }
    return made.isMade;
  }

  async #insert(
    row: NewConfirmation,
    isNew: boolean,
    charged: QuotaReceipt | null,
    manager: EntityManager | undefined,
  ): Promise<boolean> {
    try {
      return await this.store.insert(row, isNew, manager);
    } catch (error) {
      if (charged) await this.limits.refund(charged);
      throw error;
    }
  }

  /** The state that a request key stands for, if this is the same request. */
  #replay(
    attempted: NewConfirmation,
    binding: StoredBinding,
    token: string | undefined,
    made: ConfirmationRow | null,
  ): CreatedConfirmation {
    if (made === null) {
      throw new TwoFactorConflictError(
        'The request key was used by a transaction that this one cannot see. Roll it back.',
      );
    }
    const state = this.stateOf(made);
    const madeFor = openContent(state)?.token;
    const isSame =
      this.#matchesBinding(made, binding) &&
      (made.codeMac === null) === (attempted.codeMac === null) &&
      made.expiresAt - made.createdAt === attempted.expiresAt - attempted.createdAt &&
      canonicalOrNull(made.meta) === attempted.meta &&
      (attempted.way === '' || made.way === '' || made.way === attempted.way) &&
      (token === undefined || madeFor === undefined || madeFor === token);
    if (isSame) return { state, pendingMessage: null, receipt: null };
    throw new TwoFactorInputError(
      'The request key stands for another request. Draw a new one for each.',
    );
  }

  #matchesBinding(
    row: ConfirmationRow,
    binding: StoredBinding,
    ways: readonly string[] | null = null,
  ): boolean {
    return (
      isByWay(row.way, ways) &&
      row.purpose === binding.purpose &&
      row.subject === binding.subject &&
      this.#detailsMacs(row.id, binding).includes(row.detailsMac)
    );
  }

  #waysOf(purpose: string, asked: readonly string[] | undefined): readonly string[] | null {
    return allowedWays(this.options.purposes.get(purpose)?.senders, asked);
  }

  /** Signed also where there are none: a proof under a removed secret is worth nothing, whatever it is for. */
  #detailsMacs(id: string, { details }: StoredBinding): string[] {
    return detailsMacs(this.options.keyRing, id, details ?? NO_DETAILS);
  }

  #ttlSeconds(ttlSeconds: number | undefined): number {
    if (ttlSeconds === undefined) return this.options.ttlSeconds;
    const { min, max } = TTL_SECONDS;
    if (Number.isInteger(ttlSeconds) && ttlSeconds >= min && ttlSeconds <= max) return ttlSeconds;
    throw new TwoFactorInputError(`ttlSeconds is a whole number from ${min} to ${max}.`);
  }
}

/** Places and messages are what the same request, in another call, may just have taken. */
function isHeldByConcurrentRepeat(error: unknown): boolean {
  const { limit } = limitOf(error) ?? {};
  return limit === 'pending' || limit?.startsWith('sends-') === true;
}

/** Of a state the id alone, and that from its private row. */
export function idOf(confirmation: unknown): string {
  return parseId(ConfirmationState.is(confirmation) ? stateRow(confirmation).id : confirmation);
}

function assertInput<T>(method: string, input: T): T {
  if (typeof input === 'object' && input !== null) return input;
  throw new TwoFactorInputError(`${method} takes an object.`);
}

/** The ids that a request key stands for under each secret, the signing one first. */
function idsFromRequestKey(ring: KeyRing, key: string, binding: StoredBinding): string[] {
  return ring.keys.map((ringKey) =>
    idFromRequestKey(ringKey, key, binding.purpose, binding.subject),
  );
}

function parseTokenFrom(tokenFrom: unknown): 'client' | 'application' {
  if (tokenFrom === undefined || tokenFrom === 'application') return 'application';
  if (tokenFrom === 'client') return tokenFrom;
  throw new TwoFactorInputError("tokenFrom is 'client' or 'application'.");
}

function parseKey(key: unknown): string {
  if (typeof key === 'string' && key.length <= 128 && KEY.test(key)) return key;
  throw new TwoFactorInputError(
    'A key is a string of 16 to 128 printable ASCII characters without spaces.',
  );
}

/** The sender's context as a plain object of its own, so that nothing outside can change it later. */
export function parseContext(context: unknown): SendContext | undefined {
  if (context === undefined) return undefined;
  if (typeof context !== 'object' || context === null || Array.isArray(context)) {
    throw new TwoFactorInputError('A context is an object of plain JSON.');
  }
  return JSON.parse(canonicalJson('context', context, MAX_CONTEXT_BYTES)) as SendContext;
}

function canonicalOrNull(meta: unknown): string | null {
  return meta === null ? null : canonicalJson('meta', meta, MAX_META_BYTES);
}
