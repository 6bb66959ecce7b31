import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  codeMac,
  codeMacs,
  detailsMac,
  detailsMacs,
  idFromRequestKey,
  newId,
  normaliseCode,
  openEnvelope,
  parseCode,
  parseId,
  sealEnvelope,
  type KeyRing,
} from '../crypto/index.js';
import {
  TwoFactorConfigurationError,
  TwoFactorConflictError,
  TwoFactorInputError,
  TwoFactorUnknownKeyError,
} from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions } from '../two-factor.tokens.js';
import { parseBinding, parseSubject, type ProofBinding, type StoredBinding } from './binding.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';
import { ConfirmationState, stateRow, type StateAccess } from './confirmation-state.js';
import { ConfirmationStore, type NewConfirmation } from './confirmation.store.js';
import { canonicalJson, parseFrozen, type JsonValue } from './plain-json.js';
import { PurgeService, type PurgeInput } from './purge.service.js';
import { parseToken, parseWay } from './token.js';

/** What `makeConfirmation` takes; everything is optional. */
export interface MakeConfirmationInput extends ProofBinding {
  /** Any JSON of the application, up to 16 kB, kept with the confirmation. */
  readonly meta?: JsonValue | undefined;
  /** Confirmed from the start: there is no code then. @default false */
  readonly isConfirmed?: boolean | undefined;
  /** Where the code will go; else the first `SenderService.send` says it. */
  readonly token?: string | undefined;
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
  readonly key?: string | undefined;
  /** Makes it part of this manager's transaction. Send only after that has committed. */
  readonly manager?: EntityManager | undefined;
}

/** The application's words to a sender backend: the recipient's locale, a template's name, and so on. */
export interface SendContext {
  readonly [key: string]: JsonValue;
}

/** What `use` takes beside the confirmation: what the proof must have been made for, and how it is spent. */
export interface UseInput extends ProofBinding {
  /** Spends the proof in the transaction of this manager, together with what it protects. Excludes `key`. */
  readonly manager?: EntityManager | undefined;
  /** 16 to 128 characters: the same key is answered true again, after an answer was lost. Excludes `manager`. */
  readonly key?: string | undefined;
}

/** A confirmation, and whether the call could do what its name says. */
export type ConfirmationResult =
  | readonly [state: ConfirmationState, done: true]
  | readonly [state: ConfirmationState | null, done: false];

/** What became of one code: `refused` was not compared, and charged nothing. */
export type ConfirmationAttempt =
  | { readonly state: ConfirmationState; readonly outcome: 'confirmed' | 'mismatched' }
  | { readonly state: ConfirmationState | null; readonly outcome: 'refused' };

/** A state, or the id of one: of a state only the id is taken. */
export type ConfirmationReference = ConfirmationState | string;

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
    confirmByHand: (id) => this.store.confirmByHand(id),
  };

  constructor(
    private readonly store: ConfirmationStore,
    private readonly purger: PurgeService,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /**
   * Makes a pending confirmation with a fresh code. Nothing is sent.
   *
   * @throws TwoFactorInputError for a member of the wrong shape, or a key that stands for another request.
   */
  async makeConfirmation(input: MakeConfirmationInput = {}): Promise<ConfirmationState> {
    const { manager, isConfirmed = false } = assertInput('makeConfirmation', input);
    if (typeof isConfirmed !== 'boolean')
      throw new TwoFactorInputError('isConfirmed is true or false.');
    const binding = parseBinding(input);
    const meta =
      input.meta === undefined ? null : canonicalJson('meta', input.meta, MAX_META_BYTES);
    const token = input.token === undefined ? undefined : parseToken(input.token);
    const way = input.way === undefined ? undefined : parseWay(input.way);
    const key = input.key === undefined ? undefined : parseKey(input.key);
    const context = parseContext(input.context);
    const ttlMs = this.#ttlSeconds(input.ttlSeconds) * 1_000;
    const { keyRing, maxAttempts, useWithinSeconds } = this.options;
    if (isConfirmed && (token ?? way ?? context) !== undefined) {
      throw new TwoFactorInputError(
        'A confirmation that is confirmed from the start has nothing to send. Leave token, way and context out.',
      );
    }
    const code = isConfirmed ? null : await this.drawCode();

    const now = this.options.clock.now();
    const ids = key === undefined ? [newId(now)] : idsFromRequestKey(keyRing, key, binding);
    const [id = '', ...olderIds] = ids;
    const row: NewConfirmation = {
      id,
      ...binding,
      meta,
      detailsMac: detailsMac(keyRing.current, id, binding.details ?? NO_DETAILS),
      maxAttempts,
      createdAt: now,
      expiresAt: now + ttlMs,
      way: way ?? '',
      codeMac: code === null ? null : codeMac(keyRing.current, id, code),
      envelope:
        code === null
          ? null
          : sealEnvelope(keyRing, { code, token, way, context }, { id, ...binding }),
      confirmedAt: code === null ? now : null,
      useBefore: code === null ? now + useWithinSeconds * 1_000 : null,
    };
    // The same request may have been made under a secret that no longer signs.
    for (const olderId of olderIds) {
      const made = await this.store.find(olderId, manager);
      if (made !== null) return this.#repeated(row, binding, token, made);
    }
    if (!(await this.store.insert(row, manager))) {
      return this.#repeated(row, binding, token, await this.store.find(id, manager));
    }
    return this.stateOf({
      ...row,
      details: binding.details === null ? null : parseFrozen(binding.details),
      meta: meta === null ? null : parseFrozen(meta),
      attempts: 0,
      sends: 0,
      lastSentAt: null,
      usedAt: null,
      useKey: null,
      cancelledAt: null,
    });
  }

  /**
   * Whether `use` could succeed now. Reads, and changes nothing. With a binding, only a proof for exactly that counts;
   * without one, only the confirmation's own state does.
   *
   * @throws TwoFactorInputError for a malformed id or binding.
   */
  async check(
    confirmation: ConfirmationReference,
    binding?: ProofBinding,
  ): Promise<ConfirmationResult> {
    const id = idOf(confirmation);
    const expected =
      binding === undefined ? undefined : parseBinding(assertInput('check', binding));
    const row = await this.store.find(id);
    if (row === null || (expected && !this.#isFor(row, expected))) return [null, false];
    const state = this.stateOf(row);
    return [state, state.status === 'confirmed'];
  }

  /**
   * Confirms by the code. Charges one attempt and compares, in one committed statement on a connection of its own: also
   * when it is called inside a transaction.
   *
   * @returns whether this call confirmed it: `[state, false]` for a wrong code (see `attemptsLeft`) and for one that is
   * confirmed, used, cancelled, locked or expired (see `status`); `[null, false]` for an unknown id.
   * @throws TwoFactorInputError for what cannot be a code or an id; nothing is charged.
   * @throws TwoFactorUnknownKeyError when the secret is gone from the ring; the attempt is charged.
   */
  async confirm(confirmation: ConfirmationReference, code: string): Promise<ConfirmationResult> {
    const { state, outcome } = await this.attempt(confirmation, code);
    return outcome === 'confirmed' ? [state, true] : [state, false];
  }

  /**
   * As `confirm`, telling a code that was compared and is wrong from a confirmation that could not be confirmed.
   *
   * @internal
   */
  async attempt(confirmation: ConfirmationReference, code: string): Promise<ConfirmationAttempt> {
    const id = idOf(confirmation);
    const candidates = codeMacs(this.options.keyRing, id, parseCode(code));
    const charged = await this.store.confirm(id, candidates);
    if (charged === null) {
      const row = await this.store.find(id);
      return { state: row && this.stateOf(row), outcome: 'refused' };
    }
    const { row, confirmed } = charged;
    if (!confirmed && row.codeMac !== null && !this.options.keyRing.keyOf(row.codeMac)) {
      throw new TwoFactorUnknownKeyError(
        'The confirmation was made under a secret that is not in the ring. Request a new one.',
      );
    }
    return { state: this.stateOf(row), outcome: confirmed ? 'confirmed' : 'mismatched' };
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
    const key = input.key === undefined ? null : parseKey(input.key);
    if (key !== null && manager !== undefined) {
      throw new TwoFactorInputError(
        'Give key or manager. Inside a transaction, let the row of the effect carry the confirmation id, unique.',
      );
    }
    const { purpose, subject } = binding;
    const macs = this.#detailsMacs(id, binding);
    const used = await this.store.use(
      { id, purpose, subject, detailsMacs: macs, useKey: key },
      manager,
    );
    if (used || key === null) return used;
    // An earlier call with this key may have spent it, and its answer may be lost.
    const row = await this.store.find(id);
    return row !== null && row.usedAt !== null && row.useKey === key && this.#isFor(row, binding);
  }

  /** Ends a confirmation that is not used yet. @returns whether this call did. */
  async cancel(confirmation: ConfirmationReference): Promise<boolean> {
    return this.store.cancel(idOf(confirmation));
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

  /** The state that a request key stands for, if this is the same request. */
  #repeated(
    attempted: NewConfirmation,
    binding: StoredBinding,
    token: string | undefined,
    made: ConfirmationRow | null,
  ): ConfirmationState {
    if (made === null) {
      throw new TwoFactorConflictError(
        'The request key was used by a transaction that this one cannot see. Roll it back.',
      );
    }
    const state = this.stateOf(made);
    const isSame =
      this.#isFor(made, binding) &&
      (made.codeMac === null) === (attempted.codeMac === null) &&
      made.expiresAt - made.createdAt === attempted.expiresAt - attempted.createdAt &&
      canonicalOrNull(made.meta) === attempted.meta &&
      (attempted.way === '' || made.way === '' || made.way === attempted.way) &&
      (token === undefined || state.token === null || state.token === token);
    if (isSame) return state;
    throw new TwoFactorInputError(
      'The request key stands for another request. Draw a new one for each.',
    );
  }

  #isFor(row: ConfirmationRow, binding: StoredBinding): boolean {
    return (
      row.purpose === binding.purpose &&
      row.subject === binding.subject &&
      this.#detailsMacs(row.id, binding).includes(row.detailsMac)
    );
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

/** Of a state the id alone, and that from its private row. */
function idOf(confirmation: unknown): string {
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
