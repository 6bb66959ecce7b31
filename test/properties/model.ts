import type { SendContext } from '../../lib/index.js';
import type { Binding, Call, CodeChoice, Target } from './calls.js';
import {
  LimitsModel,
  type Blocked,
  type Charged,
  type Message,
  type Party,
} from './limits-model.js';
import { ModelHistory } from './model-history.js';
import {
  canonical,
  cooldownOf,
  EARLY_RETRY_MS,
  KEPT_MS,
  keyName,
  MAX_ATTEMPTS,
  MAX_SENDS,
  Refusal,
  refuse,
  senderOf,
  SENDERS,
  TTL_SECONDS,
  USE_WITHIN_MS,
  type Answer,
  type Drawn,
  type Row,
} from './model-rows.js';
import type { Failure } from './world.js';

/** The state machine in plain TypeScript: what every call answers, and what the table holds after it. */
export class Model extends ModelHistory {
  readonly #keys: Map<string, number>;
  #limits: LimitsModel | null;

  constructor(
    readonly resend: 'same' | 'rotate',
    now: () => number,
    { hasLimits = false, from }: { hasLimits?: boolean; from?: Model } = {},
  ) {
    super(now, from);
    this.#keys = new Map(from === undefined ? [] : from.#keys);
    this.#limits = hasLimits ? new LimitsModel(now) : null;
    if (from !== undefined) this.#limits = from.#limits?.clone() ?? null;
  }

  clone(): Model {
    return new Model(this.resend, this.now, { from: this });
  }

  /** What the call answers; the rows are then what they are after it. */
  apply(call: Call, drawn: Drawn): Answer {
    try {
      return this.#apply(call, drawn);
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      throw error;
    }
  }

  #apply(call: Call, drawn: Drawn): Answer {
    switch (call.op) {
      case 'make': {
        const before = this.clone();
        const { ref } = this.#make(call, drawn);
        const row = this.row(ref)!;
        const answer = { state: this.view(row) };
        if (call.transaction === 'rollback') this.#become(before);
        return answer;
      }
      case 'request':
        return this.#request(call, drawn);
      case 'send': {
        const name = senderOf(call.name);
        const seen = this.heldBy(call.target) ?? this.row(call.target.ref) ?? refuse('not-found');
        const { token, context, requester } = call;
        const plan = { name, token, context, requester, kind: 'any' as const };
        return { state: this.view(this.#deliver(call.target, seen, plan, call.failure, drawn)) };
      }
      case 'resend': {
        const { target, failure, requester } = call;
        const row = this.row(target.ref) ?? refuse('not-found');
        this.assertPending(row);
        if (!this.has(row.codeSecret)) refuse('unknown-secret');
        if (row.token === undefined || !row.hasWay) refuse('invalid-request');
        const way = row.way ?? 'default';
        if (!SENDERS.has(way)) refuse('sender-removed');
        const plan = { name: way, kind: 'again' as const, requester };
        return this.describe(this.#deliver(target, row, plan, failure, drawn));
      }
      case 'confirm':
        return this.#confirm(call.target.ref, call.code);
      case 'confirmByHand': {
        const row = this.row(call.target.ref);
        if (row === null || !this.isOpen(row)) return { done: false };
        this.change(call.target.ref, this.confirmed());
        this.#limits?.end(this.ring, this.#partyOf(row), row.id);
        this.held.set(call.target.ref, this.row(call.target.ref)!);
        return { done: true };
      }
      case 'use':
        return this.#use(call);
      case 'cancel': {
        const row = this.row(call.target.ref);
        if (row === null || row.usedAt !== null || row.cancelledAt !== null) return { done: false };
        this.change(call.target.ref, { cancelledAt: this.now() });
        this.#limits?.end(this.ring, this.#partyOf(row), row.id);
        return { done: true };
      }
      case 'check': {
        const row = this.row(call.target.ref);
        const binding = call.binding && this.bindingOf(call.target.ref, call.binding);
        if (row === null || (binding && !this.isFor(row, binding)))
          return { state: null, done: false };
        // Bound under a secret that is gone, it can never be used.
        const done = this.statusOf(row) === 'confirmed' && this.has(row.detailsSecret);
        return { state: this.view(row), done };
      }
      case 'erase':
        return { count: this.drop((row) => row.subject === call.subject) };
      case 'purge': {
        const now = this.now();
        const before = call.olderThan === 'default' ? now - KEPT_MS : now;
        const isDead = (row: Row): boolean =>
          row.expiresAt < before && (row.useBefore === null || row.useBefore < before);
        return { count: this.drop(isDead) };
      }
      case 'reset':
        this.#limits?.reset(this.ring, call.scope);
        return {};
      case 'failures':
        return { ...this.#limits?.failures(this.ring, call.scope) };
      case 'rotateKey': {
        const [current] = this.ring;
        this.ring = [current === 'old' ? 'new' : 'old', current!];
        return {};
      }
      case 'dropKey':
        this.ring = this.ring.slice(0, 1);
        return {};
      case 'advance':
      case 'restart':
        return {};
      default:
        return call satisfies never;
    }
  }

  #make(
    call: Omit<Extract<Call, { op: 'make' }>, 'op'>,
    { codes, id }: Drawn,
    sends?: Message,
  ): { ref: number; isNew: boolean } {
    const { binding, isConfirmed = false, token, way, context, key } = call;
    const isClientNamed = call.tokenFrom === 'client';
    const hasSlot = !isConfirmed && call.transaction === undefined && sends === undefined;
    if (isConfirmed && (token ?? way ?? context) !== undefined) refuse('invalid-request');
    const made = {
      purpose: binding.purpose ?? '',
      subject: binding.subject ?? '',
      details: canonical(binding.details),
      meta: canonical(call.meta),
      ttlMs: (call.ttlSeconds ?? TTL_SECONDS) * 1_000,
      isConfirmed,
    };
    const names = key === undefined ? [] : this.ring.map((secret) => keyName(secret, key, made));
    const known = names
      .map((name) => this.#keys.get(name))
      .find((ref) => ref !== undefined && this.row(ref) !== null);
    if (known !== undefined) return { ref: this.#repeated(known, call, made), isNew: false };

    // A confirmation by hand is the application's own decision, and counts also while wrong codes are tried.
    if (!isConfirmed) {
      const { subject, purpose } = made;
      const party = { token, subject, purpose, isClientNamed, hasSlot };
      // One that is made in a transaction of the application takes no slot.
      const opens = call.transaction ? undefined : { id: id!, ttlMs: made.ttlMs };
      this.#assertCharged(this.#limits?.chargeRequest(this.ring, party, { opens, sends }));
    }

    const now = this.now();
    const [secret] = this.ring;
    // A request key gives the same id again when its row is gone; no other id ever comes twice.
    const reborn = this.ids.indexOf(id!);
    if (reborn >= 0 && (names.length === 0 || this.row(reborn) !== null)) {
      throw new Error('An id was given twice.');
    }
    const ref = reborn < 0 ? this.rows.length : reborn;
    this.ids[ref] = id!;
    this.rows[ref] = {
      id: id!,
      purpose: made.purpose,
      subject: made.subject,
      details: made.details,
      detailsSecret: secret!,
      meta: made.meta,
      code: isConfirmed ? undefined : codes.at(-1),
      codeSecret: secret!,
      oldCodes: [],
      token,
      isClientNamed,
      hasSlot,
      way: way ?? '',
      hasWay: way !== undefined,
      context,
      createdAt: now,
      expiresAt: now + made.ttlMs,
      attempts: 0,
      sends: 0,
      lastSentAt: null,
      confirmedAt: isConfirmed ? now : null,
      useBefore: isConfirmed ? now + USE_WITHIN_MS : null,
      usedAt: null,
      useKey: null,
      cancelledAt: null,
    };
    for (const name of names.slice(0, 1)) this.#keys.set(name, ref);
    this.held.set(ref, this.row(ref)!);
    return { ref, isNew: true };
  }

  #repeated(
    ref: number,
    {
      token,
      way = '',
      binding,
    }: { token?: string | undefined; way?: string | undefined; binding: Binding },
    made: { meta: string | undefined; ttlMs: number; isConfirmed: boolean },
  ): number {
    const row = this.row(ref)!;
    const isSame =
      this.isFor(row, binding) &&
      made.isConfirmed === (row.code === undefined) &&
      made.ttlMs === row.expiresAt - row.createdAt &&
      made.meta === row.meta &&
      (way === '' || row.way === '' || way === row.way);
    if (!isSame) refuse('idempotency-key-reused');
    if (token !== undefined && row.code !== undefined) {
      if (!this.has(row.codeSecret)) refuse('unknown-secret');
      if (row.token !== undefined && row.token !== token) refuse('idempotency-key-reused');
    }
    return ref;
  }

  #request(call: Extract<Call, { op: 'request' }>, drawn: Drawn): Answer {
    const name = senderOf(call.way ?? null);
    const { requester } = call;
    const { ref, isNew } = this.#make({ ...call, way: name }, drawn, { way: name, requester });
    const target: Target = { ref, by: 'id' };
    const row = this.#deliver(
      target,
      this.row(ref)!,
      // It is charged together with the confirmation, if that is new.
      { name, kind: 'first', context: undefined, requester, isCharged: isNew },
      call.failure,
      // The code that was drawn is the first message's.
      { codes: [] },
    );
    return this.describe(row);
  }

  #deliver(
    { ref, by }: Target,
    seen: Row,
    plan: {
      readonly name: string;
      readonly token?: string | undefined;
      readonly context?: SendContext | undefined;
      readonly kind: 'any' | 'first' | 'again';
      readonly requester?: string | undefined;
      readonly isCharged?: boolean;
    },
    failure: Failure,
    { codes }: Drawn,
  ): Row {
    let row = seen;
    if (plan.kind === 'first' && row.sends > 0) return row;
    for (;;) {
      this.assertPending(row);
      if (!this.has(row.codeSecret)) refuse('unknown-secret');
      const token = plan.token ?? row.token;
      if (token === undefined || (row.token !== undefined && row.token !== token))
        refuse('invalid-request');
      if (row.sends >= MAX_SENDS) refuse('too-many-requests', { retryAfterSeconds: null });
      const waitMs = plan.kind === 'again' ? this.resendAt(row) - this.now() : 0;
      if (waitMs > 0) {
        refuse('too-many-requests', { retryAfterSeconds: Math.ceil(waitMs / 1_000) });
      }
      const actual = this.row(ref);
      if (actual === null) return refuse('not-found');
      // What was seen is what is there: else it is judged anew.
      if (actual.sends !== row.sends || !this.isPending(actual)) {
        row = actual;
        continue;
      }
      if (plan.isCharged !== true) {
        const sends = { way: plan.name, requester: plan.requester };
        const { purpose, subject, isClientNamed, hasSlot } = row;
        const party = { token, purpose, subject, isClientNamed, hasSlot };
        const charged = this.#limits?.chargeRequest(this.ring, party, { sends });
        this.#assertCharged(charged);
      }
      const rotates = plan.kind === 'again' && this.resend === 'rotate' && row.sends > 0;
      this.change(ref, {
        way: plan.name,
        hasWay: true,
        token,
        context: plan.context ?? row.context,
        ...(rotates ? { code: codes.at(-1), oldCodes: [...row.oldCodes, row.code!] } : {}),
        codeSecret: this.ring[0]!,
        sends: row.sends + 1,
        lastSentAt: this.now(),
      });
      break;
    }
    const sent = this.row(ref)!;
    if (failure === 'transient') this.#retrySooner(ref);
    if (by === 'state' && this.held.has(ref)) this.held.set(ref, this.row(ref)!);
    if (failure === 'permanent') {
      const sent = this.row(ref)!;
      if (sent.sends === 1) this.#limits?.end(this.ring, this.#partyOf(sent), sent.id);
      refuse('recipient-not-allowed');
    }
    if (failure === 'transient') {
      const again = new Date(this.resendAt(this.row(ref)!)).toISOString();
      refuse('send-failed', { id: sent.id, resendAt: again });
    }
    return sent;
  }

  #retrySooner(ref: number): void {
    const { sends } = this.row(ref)!;
    if (sends > 1) return;
    this.change(ref, { lastSentAt: this.now() + EARLY_RETRY_MS - cooldownOf(sends)! });
  }

  #confirm(ref: number, choice: CodeChoice): Answer {
    if (choice === 'malformed') return refuse('invalid-request');
    const typed = this.codeOf(ref, choice === 'decorated' ? 'right' : choice);
    const row = this.row(ref);
    if (row === null) return { state: null, done: false };
    if (row.code === undefined || !this.isPending(row))
      return { state: this.view(row), done: false };
    const hasKey = this.has(row.codeSecret);
    const done = hasKey && typed === row.code;
    const party = this.#partyOf(row);
    // A code that can no longer be compared is no guess.
    if (hasKey) this.#assertCharged(this.#limits?.chargeComparison(this.ring, party));
    if (done) this.#limits?.succeed(this.ring, party, row.id);
    this.comparisons.set(row.id, (this.comparisons.get(row.id) ?? 0) + 1);
    this.change(ref, { attempts: row.attempts + 1, ...(done ? this.confirmed() : {}) });
    if (!hasKey) refuse('unknown-secret');
    if (!done && row.attempts + 1 >= MAX_ATTEMPTS) this.#limits?.end(this.ring, party, row.id);
    return { state: this.view(this.row(ref)!), done };
  }

  #use(call: Extract<Call, { op: 'use' }>): Answer {
    const { target, key = null } = call;
    if (key !== null && call.transaction !== undefined) refuse('invalid-call');
    const row = this.row(target.ref);
    if (row === null || !this.isFor(row, this.bindingOf(target.ref, call.binding))) {
      return { done: false };
    }
    if (this.statusOf(row) === 'confirmed') {
      if (call.transaction !== 'rollback') {
        this.change(target.ref, { usedAt: this.now(), useKey: key });
      }
      return { done: true };
    }
    return { done: key !== null && row.usedAt !== null && row.useKey === key };
  }

  /** Token, who named it and whether there is a slot are sealed: they are lost with the secret. */
  #partyOf({ token, subject, purpose, codeSecret, code, isClientNamed, hasSlot }: Row): Party {
    if (code === undefined || !this.has(codeSecret)) {
      return { token: undefined, subject, purpose, isClientNamed: false, hasSlot: false };
    }
    return { token, subject, purpose, isClientNamed, hasSlot };
  }

  #assertCharged(charged: Charged | Blocked | undefined): void {
    if (charged === undefined || !('isOurs' in charged)) return;
    const { isOurs, retryAfterSeconds } = charged;
    refuse(isOurs ? 'temporarily-unavailable' : 'too-many-requests', { retryAfterSeconds });
  }

  #become(other: Model): void {
    this.ids.splice(0, Infinity, ...other.ids);
    this.rows.splice(0, Infinity, ...other.rows);
    this.held.clear();
    for (const [ref, row] of other.held) this.held.set(ref, row);
    this.#keys.clear();
    for (const [name, ref] of other.#keys) this.#keys.set(name, ref);
    this.#limits = other.#limits;
  }
}
