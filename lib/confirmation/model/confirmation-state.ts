import { inspect } from 'node:util';

import type { EnvelopeContent } from '../../crypto/index.js';
import {
  brand,
  TwoFactorUnknownSecretError,
  type ConfirmedBy,
  type MethodName,
} from '../../errors/index.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';
import { statusOf, type ConfirmationStatus } from './confirmation-status.js';
import { methodsOf } from './methods.js';
import { kindOf, type TokenKind } from './token-kind.js';

/** What a state needs of its factory. It is kept in a private field, which `console.log` does not print. */
export interface StateAccess {
  /** Epoch milliseconds. */
  now(): number;
  open(row: ConfirmationRow): EnvelopeContent | null;
  /** One spelling for all spellings of a phone number or address. */
  normalize(token: string): string;
  confirmByHand(id: string): Promise<ConfirmationRow | null>;
}

let rowOfState: (state: ConfirmationState) => ConfirmationRow;
let contentOfState: (state: ConfirmationState) => EnvelopeContent | null;
let refresh: (state: ConfirmationState, row: ConfirmationRow) => void;

/**
 * A confirmation as its application sees it: read-only, and showing itself (`toJSON`, `console.log`) without code, phone number
 * or address, meta and details.
 *
 * It shows the row as it was last read through this object. Decisions are never made on it: `use` takes its id alone.
 *
 * @publicApi
 */
export class ConfirmationState {
  #row: ConfirmationRow;
  #readAt: number;
  readonly #access: StateAccess;

  static {
    brand(this, 'ConfirmationState');
    rowOfState = (state) => state.#row;
    contentOfState = (state) => state.#open();
    refresh = (state, row) => {
      state.#row = row;
      state.#readAt = state.#access.now();
    };
  }

  /** @internal States come from `ConfirmerService`. */
  constructor(row: ConfirmationRow, access: StateAccess) {
    this.#row = row;
    this.#access = access;
    this.#readAt = access.now();
  }

  /** Whether a value is a state of this package, rather than something that looks like one. */
  static is(value: unknown): value is ConfirmationState {
    return typeof value === 'object' && value !== null && #row in value;
  }

  /** 36 characters, unguessable, because a client that knows the id may use up attempts. */
  get id(): string {
    return this.#row.id;
  }

  /** What the proof is for; empty for the nameless purpose. */
  get purpose(): string {
    return this.#row.purpose;
  }

  /** The user that the proof is for; empty when it is for no user in particular. */
  get subject(): string {
    return this.#row.subject;
  }

  /** The sender's name; empty until a phone number or address was named. */
  get way(): string {
    return this.#row.way;
  }

  /** The application's own JSON, as given to `makeConfirmation`. */
  get meta(): unknown {
    return this.#row.meta;
  }

  /** What exactly is approved; `null` for nothing in particular. */
  get details(): unknown {
    return this.#row.details;
  }

  /** The status at the time at which this object last read the row. */
  get status(): ConfirmationStatus {
    return statusOf(this.#row, this.#readAt);
  }

  /** Whether it was ever confirmed, used or not, in time or not. */
  get isConfirmed(): boolean {
    return this.#row.confirmedAt !== null;
  }

  /** The methods that may confirm it, in order of preference; `['code']` unless others were named. */
  get methods(): readonly MethodName[] {
    return methodsOf(this.#row);
  }

  /** The method that confirmed it, or `hand` for the application; `null` before that. */
  get confirmedBy(): ConfirmedBy | null {
    return this.#row.confirmedBy as ConfirmedBy | null;
  }

  get isUsed(): boolean {
    return this.#row.usedAt !== null;
  }

  /** The number of codes that may still be tried. */
  get attemptsLeft(): number {
    return Math.max(0, this.#row.maxAttempts - this.#row.attempts);
  }

  get createdAt(): Date {
    return new Date(this.#row.createdAt);
  }

  /** Until when the confirmation can be confirmed. */
  get expiresAt(): Date {
    return new Date(this.#row.expiresAt);
  }

  get confirmedAt(): Date | null {
    return dateOf(this.#row.confirmedAt);
  }

  /** Until when the proof of a confirmed confirmation can be used. */
  get useBefore(): Date | null {
    return dateOf(this.#row.useBefore);
  }

  get usedAt(): Date | null {
    return dateOf(this.#row.usedAt);
  }

  /**
   * Where the code goes, in the one spelling of all spellings of this phone number or address: that of `limits.normalizeToken`,
   * by default a mailbox in lower case and a number of E.164. `null` until a phone number or address was named. A sender gets it
   * as it was given, as `delivery.token`. Opened from the envelope on each access.
   *
   * @throws TwoFactorUnknownSecretError when the secret is gone from the ring or the row was changed by hand.
   */
  get token(): string | null {
    const token = this.#open()?.token;
    return token === undefined ? null : this.#access.normalize(token);
  }

  /**
   * What `token` is: a plain mailbox, a number with its country, or something else such as a chat id; `null` until one
   * was named. Read it before you store `token` as a user's phone or address: the name of a sender alone says only where a code
   * went, and not what that is.
   *
   * @throws as `token`.
   */
  get kind(): TokenKind | null {
    const { token } = this;
    return token === null ? null : kindOf(token);
  }

  /**
   * The clear code, for a message's text; `null` when there is none. Opened from the envelope on each access.
   *
   * @throws TwoFactorUnknownSecretError when the secret is gone from the ring or the row was changed by hand.
   */
  get code(): string | null {
    return this.#open()?.code ?? null;
  }

  /**
   * Confirms by hand, when you are sure of the person by other means; also when the attempts are used up. This object then shows the
   * new status.
   *
   * @returns whether this call confirmed it: false for one that is confirmed, used, cancelled or expired already.
   */
  async confirm(): Promise<boolean> {
    const row = await this.#access.confirmByHand(this.#row.id);
    if (row === null) return false;
    refresh(this, row);
    return true;
  }

  toJSON(): Record<string, unknown> {
    const { id, purpose, way, status, isConfirmed, attemptsLeft, expiresAt } = this;
    return { id, purpose, way, status, isConfirmed, attemptsLeft, expiresAt };
  }

  [inspect.custom](): string {
    return `ConfirmationState ${inspect(this.toJSON())}`;
  }

  #open(): EnvelopeContent | null {
    if (this.#row.envelope === null) return null;
    const sealed = this.#access.open(this.#row);
    if (sealed === null) {
      throw new TwoFactorUnknownSecretError(
        'The confirmation was sealed under a secret that is not in the ring, or its row was changed by hand.',
      );
    }
    return sealed;
  }
}

function dateOf(epochMs: number | null): Date | null {
  return epochMs === null ? null : new Date(epochMs);
}

/** The row behind a state, for other folders of this package. */
export function stateRow(state: ConfirmationState): ConfirmationRow {
  return rowOfState(state);
}

/** The code, the phone number or address and the sender in one object, for other folders of this package. */
export function openContent(state: ConfirmationState): EnvelopeContent | null {
  return contentOfState(state);
}

/** Replaces the values of a state that the caller holds by those of a row that a statement has just written. */
export function refreshState(state: ConfirmationState, row: ConfirmationRow): void {
  refresh(state, row);
}
