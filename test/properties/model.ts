import type { JsonValue, SendContext } from '../../lib/index.js';
import type { Binding, BindingChoice, Call, CodeChoice, Target } from './calls.js';
import {
  canonicalToken,
  LimitsModel,
  type Blocked,
  type Charged,
  type Message,
  type Party,
} from './limits-model.js';
import { fingerprint, type Failure, type Ring, type Secret } from './world.js';

const TTL_SECONDS = 600;
const USE_WITHIN_MS = 300_000;
const MAX_ATTEMPTS = 5;
const MAX_SENDS = 5;
const COOLDOWN_MS = [30_000, 60_000, 120_000, 300_000];
const EARLY_RETRY_MS = 5_000;
const KEPT_MS = 86_400_000;
const SENDERS = new Set(['default', 'other']);

const STATE_CODES = {
  confirmed: 'already-confirmed',
  used: 'already-used',
  expired: 'expired',
  locked: 'attempts-exhausted',
  cancelled: 'cancelled',
} as const;

const MASKED: Readonly<Record<string, string>> = {
  'ann@example.com': 'a***@e***.com',
  'Ann@EXAMPLE.com': 'A***@E***.com',
  'bob@example.org': 'b***@e***.org',
  '+14155550123': '***23',
};

/** The tokens of this model: those whose masked form it knows. */
export const TOKENS = Object.keys(MASKED);

/** What the model believes one row to be. */
export interface Row {
  readonly id: string;
  readonly purpose: string;
  readonly subject: string;
  /** Canonical JSON; undefined for none. */
  readonly details: string | undefined;
  readonly detailsSecret: Secret;
  readonly meta: string | undefined;
  readonly code: string | undefined;
  /** Signs the code and seals the envelope. */
  readonly codeSecret: Secret;
  readonly oldCodes: readonly string[];
  readonly token: string | undefined;
  /** Whether a client named the token. */
  readonly isClientNamed: boolean;
  /** Whether it was made without a message, outside of a transaction. */
  readonly hasSlot: boolean;
  readonly way: string;
  readonly hasWay: boolean;
  readonly context: SendContext | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly attempts: number;
  readonly sends: number;
  readonly lastSentAt: number | null;
  readonly confirmedAt: number | null;
  readonly useBefore: number | null;
  readonly usedAt: number | null;
  readonly useKey: string | null;
  readonly cancelledAt: number | null;
}

export type Status = 'pending' | 'confirmed' | 'used' | 'expired' | 'locked' | 'cancelled';

/** What a call answers, in words that both sides can say. */
export type Answer = Readonly<Record<string, unknown>>;

/** What the model cannot know: what was drawn at random while the call ran. */
export interface Drawn {
  readonly codes: readonly string[];
  /** The id that the call answered, if it answered one. */
  readonly id?: string | undefined;
}

class Refusal extends Error {
  constructor(readonly answer: Answer) {
    super('refused');
  }
}

const refuse = (error: string, facts: Answer = {}): never => {
  throw new Refusal({ error, ...facts });
};

/** The state machine in plain TypeScript: what every call answers, and what the table holds after it. */
export class Model {
  readonly ids: string[];
  readonly rows: (Row | null)[];
  /** What the states that callers hold on to last read. */
  readonly held: Map<number, Row>;
  /** How many codes were compared, by id: also of rows that are gone. */
  readonly comparisons: Map<string, number>;
  readonly #keys: Map<string, number>;
  ring: Ring;
  #limits: LimitsModel | null;

  constructor(
    readonly resend: 'same' | 'rotate',
    readonly now: () => number,
    { hasLimits = false, from }: { hasLimits?: boolean; from?: Model } = {},
  ) {
    this.ids = [...(from?.ids ?? [])];
    this.rows = [...(from?.rows ?? [])];
    this.held = new Map(from?.held);
    this.comparisons = new Map(from?.comparisons);
    this.#keys = new Map(from === undefined ? [] : from.#keys);
    this.ring = from?.ring ?? ['old'];
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

  // What a call means for this history: the same for the model and for the system.

  row(ref: number): Row | null {
    return this.rows[ref] ?? null;
  }

  codeOf(ref: number, choice: CodeChoice): string {
    const row = this.row(ref);
    switch (choice) {
      case 'right':
        return row?.code ?? 'NOCODEATALL';
      case 'decorated':
        return ` ${(row?.code ?? 'NOCODEATALL').replace(/(.{3})/g, '$1-')}\u00a0`;
      case 'old':
        return row?.oldCodes.at(-1) ?? 'NOOLDCODE';
      case 'other':
        return this.rows.find((other) => other?.code && other.id !== row?.id)?.code ?? 'NOOTHER';
      case 'malformed':
        return 'short';
      default:
        return 'WRONGWRONG';
    }
  }

  bindingOf(ref: number, choice: BindingChoice): Binding {
    const row = this.row(ref);
    if (row === null || choice === 'none') return {};
    const details = row.details === undefined ? undefined : (JSON.parse(row.details) as JsonValue);
    const same: Binding = {
      ...(row.purpose === '' ? {} : { purpose: row.purpose }),
      ...(row.subject === '' ? {} : { subject: row.subject }),
      ...(details === undefined ? {} : { details }),
    };
    switch (choice) {
      case 'purpose':
        return { ...same, purpose: `${row.purpose}x` };
      case 'subject':
        return { ...same, subject: `${row.subject} ` };
      case 'details':
        return { ...same, details: { amount: 10_000 } };
      case 'reordered':
        return details === undefined ? same : { ...same, details: reversed(details) };
      default:
        return same;
    }
  }

  momentOf(call: Extract<Call, { op: 'advance' }>): number {
    const { to } = call;
    const now = this.now();
    if ('ms' in to) return now + to.ms;
    const row = this.row(to.ref);
    if (row === null) return now;
    const limit =
      to.limit === 'resendAt'
        ? (row.lastSentAt ?? 0) + (cooldownOf(row.sends) ?? 0)
        : (row[to.limit] ?? now);
    return Math.max(now, limit + to.offset);
  }

  heldBy({ ref, by }: Target): Row | undefined {
    return by === 'state' ? this.held.get(ref) : undefined;
  }

  statusOf(row: Row): Status {
    const now = this.now();
    if (row.cancelledAt !== null) return 'cancelled';
    if (row.usedAt !== null) return 'used';
    if (row.confirmedAt !== null) return now < row.useBefore! ? 'confirmed' : 'expired';
    if (now >= row.expiresAt) return 'expired';
    return row.attempts < MAX_ATTEMPTS ? 'pending' : 'locked';
  }

  view(row: Row): Answer {
    const isOpen = this.#has(row.codeSecret);
    const date = (at: number | null): string | null =>
      at === null ? null : new Date(at).toISOString();
    return {
      id: row.id,
      purpose: row.purpose,
      subject: row.subject,
      way: row.way,
      details: row.details === undefined ? null : JSON.parse(row.details),
      meta: row.meta === undefined ? null : JSON.parse(row.meta),
      status: this.statusOf(row),
      isConfirmed: row.confirmedAt !== null,
      isUsed: row.usedAt !== null,
      attemptsLeft: MAX_ATTEMPTS - row.attempts,
      createdAt: date(row.createdAt),
      expiresAt: date(row.expiresAt),
      confirmedAt: date(row.confirmedAt),
      useBefore: date(row.useBefore),
      usedAt: date(row.usedAt),
      token: row.code === undefined ? null : isOpen ? normalized(row.token) : 'sealed',
      code: row.code === undefined ? null : isOpen ? fingerprint(row.code) : 'sealed',
    };
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
        this.#assertPending(row);
        if (!this.#has(row.codeSecret)) refuse('unknown-secret');
        if (row.token === undefined || !row.hasWay) refuse('invalid-request');
        const way = row.way ?? 'default';
        if (!SENDERS.has(way)) refuse('sender-removed');
        const plan = { name: way, kind: 'again' as const, requester };
        return this.#describe(this.#deliver(target, row, plan, failure, drawn));
      }
      case 'confirm':
        return this.#confirm(call.target.ref, call.code);
      case 'confirmByHand': {
        const row = this.row(call.target.ref);
        if (row === null || !this.#isOpen(row)) return { done: false };
        this.#change(call.target.ref, this.#confirmed());
        this.#limits?.end(this.ring, this.#partyOf(row), row.id);
        this.held.set(call.target.ref, this.row(call.target.ref)!);
        return { done: true };
      }
      case 'use':
        return this.#use(call);
      case 'cancel': {
        const row = this.row(call.target.ref);
        if (row === null || row.usedAt !== null || row.cancelledAt !== null) return { done: false };
        this.#change(call.target.ref, { cancelledAt: this.now() });
        this.#limits?.end(this.ring, this.#partyOf(row), row.id);
        return { done: true };
      }
      case 'check': {
        const row = this.row(call.target.ref);
        const binding = call.binding && this.bindingOf(call.target.ref, call.binding);
        if (row === null || (binding && !this.#isFor(row, binding)))
          return { state: null, done: false };
        // Bound under a secret that is gone, it can never be used.
        const done = this.statusOf(row) === 'confirmed' && this.#has(row.detailsSecret);
        return { state: this.view(row), done };
      }
      case 'erase':
        return { count: this.#drop((row) => row.subject === call.subject) };
      case 'purge': {
        const now = this.now();
        const before = call.olderThan === 'default' ? now - KEPT_MS : now;
        const isDead = (row: Row): boolean =>
          row.expiresAt < before && (row.useBefore === null || row.useBefore < before);
        return { count: this.#drop(isDead) };
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
      this.#isFor(row, binding) &&
      made.isConfirmed === (row.code === undefined) &&
      made.ttlMs === row.expiresAt - row.createdAt &&
      made.meta === row.meta &&
      (way === '' || row.way === '' || way === row.way);
    if (!isSame) refuse('idempotency-key-reused');
    if (token !== undefined && row.code !== undefined) {
      if (!this.#has(row.codeSecret)) refuse('unknown-secret');
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
    return this.#describe(row);
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
      this.#assertPending(row);
      if (!this.#has(row.codeSecret)) refuse('unknown-secret');
      const token = plan.token ?? row.token;
      if (token === undefined || (row.token !== undefined && row.token !== token))
        refuse('invalid-request');
      if (row.sends >= MAX_SENDS) refuse('too-many-requests', { retryAfterSeconds: null });
      const waitMs = plan.kind === 'again' ? this.#resendAt(row) - this.now() : 0;
      if (waitMs > 0) {
        refuse('too-many-requests', { retryAfterSeconds: Math.ceil(waitMs / 1_000) });
      }
      const actual = this.row(ref);
      if (actual === null) return refuse('not-found');
      // What was seen is what is there: else it is judged anew.
      if (actual.sends !== row.sends || !this.#isPending(actual)) {
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
      this.#change(ref, {
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
      const again = new Date(this.#resendAt(this.row(ref)!)).toISOString();
      refuse('send-failed', { id: sent.id, resendAt: again });
    }
    return sent;
  }

  #retrySooner(ref: number): void {
    const { sends } = this.row(ref)!;
    if (sends > 1) return;
    this.#change(ref, { lastSentAt: this.now() + EARLY_RETRY_MS - cooldownOf(sends)! });
  }

  #confirm(ref: number, choice: CodeChoice): Answer {
    if (choice === 'malformed') return refuse('invalid-request');
    const typed = this.codeOf(ref, choice === 'decorated' ? 'right' : choice);
    const row = this.row(ref);
    if (row === null) return { state: null, done: false };
    if (row.code === undefined || !this.#isPending(row))
      return { state: this.view(row), done: false };
    const hasKey = this.#has(row.codeSecret);
    const done = hasKey && typed === row.code;
    const party = this.#partyOf(row);
    // A code that can no longer be compared is no guess.
    if (hasKey) this.#assertCharged(this.#limits?.chargeComparison(this.ring, party));
    if (done) this.#limits?.succeed(this.ring, party, row.id);
    this.comparisons.set(row.id, (this.comparisons.get(row.id) ?? 0) + 1);
    this.#change(ref, { attempts: row.attempts + 1, ...(done ? this.#confirmed() : {}) });
    if (!hasKey) refuse('unknown-secret');
    if (!done && row.attempts + 1 >= MAX_ATTEMPTS) this.#limits?.end(this.ring, party, row.id);
    return { state: this.view(this.row(ref)!), done };
  }

  #use(call: Extract<Call, { op: 'use' }>): Answer {
    const { target, key = null } = call;
    if (key !== null && call.transaction !== undefined) refuse('invalid-call');
    const row = this.row(target.ref);
    if (row === null || !this.#isFor(row, this.bindingOf(target.ref, call.binding))) {
      return { done: false };
    }
    if (this.statusOf(row) === 'confirmed') {
      if (call.transaction !== 'rollback') {
        this.#change(target.ref, { usedAt: this.now(), useKey: key });
      }
      return { done: true };
    }
    return { done: key !== null && row.usedAt !== null && row.useKey === key };
  }

  #describe(row: Row): Answer {
    return {
      state: this.view(row),
      resendAt: new Date(this.#resendAt(row)).toISOString(),
      codeLength: row.code!.length,
      maskedToken: MASKED[row.token!],
    };
  }

  #isFor(row: Row, { purpose = '', subject = '', details }: Binding): boolean {
    return (
      row.purpose === purpose &&
      row.subject === subject &&
      row.details === canonical(details) &&
      this.#has(row.detailsSecret)
    );
  }

  /** Token, who named it and whether there is a slot are sealed: they are lost with the secret. */
  #partyOf({ token, subject, purpose, codeSecret, code, isClientNamed, hasSlot }: Row): Party {
    if (code === undefined || !this.#has(codeSecret)) {
      return { token: undefined, subject, purpose, isClientNamed: false, hasSlot: false };
    }
    return { token, subject, purpose, isClientNamed, hasSlot };
  }

  #assertCharged(charged: Charged | Blocked | undefined): void {
    if (charged === undefined || !('isOurs' in charged)) return;
    const { isOurs, retryAfterSeconds } = charged;
    refuse(isOurs ? 'temporarily-unavailable' : 'too-many-requests', { retryAfterSeconds });
  }

  #has(secret: Secret): boolean {
    return this.ring.includes(secret);
  }

  /** Attempts do not count: an application may be sure by other means. */
  #isOpen(row: Row): boolean {
    return row.confirmedAt === null && row.cancelledAt === null && this.now() < row.expiresAt;
  }

  #isPending(row: Row): boolean {
    return this.#isOpen(row) && row.attempts < MAX_ATTEMPTS;
  }

  #assertPending(row: Row): void {
    const status = this.statusOf(row);
    if (status !== 'pending') refuse(STATE_CODES[status]);
  }

  #confirmed(): Pick<Row, 'confirmedAt' | 'useBefore'> {
    return { confirmedAt: this.now(), useBefore: this.now() + USE_WITHIN_MS };
  }

  #resendAt(row: Row): number {
    const now = this.now();
    if (row.lastSentAt === null) return now;
    const pause = cooldownOf(row.sends) ?? 0;
    return Math.min(row.lastSentAt + pause, now + pause);
  }

  #change(ref: number, change: Partial<Row>): void {
    this.rows[ref] = { ...this.row(ref)!, ...change };
  }

  #drop(isGone: (row: Row) => boolean): number {
    let count = 0;
    this.rows.forEach((row, ref) => {
      if (row === null || !isGone(row)) return;
      this.rows[ref] = null;
      count += 1;
    });
    return count;
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

function cooldownOf(sends: number): number | undefined {
  return COOLDOWN_MS[Math.min(sends, COOLDOWN_MS.length) - 1];
}

function senderOf(name: string | null): string {
  const way = name ?? 'default';
  return SENDERS.has(way) ? way : refuse('invalid-request');
}

function keyName(
  secret: Secret,
  key: string,
  { purpose, subject }: { purpose: string; subject: string },
): string {
  return JSON.stringify([secret, key, purpose, subject]);
}

/** JSON with sorted members: what two equal details have in common. */
export function canonical(value: JsonValue | undefined): string | undefined {
  if (value === undefined) return undefined;
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(
          Object.entries(member).toSorted(([one], [other]) => (one < other ? -1 : 1)),
        )
      : member,
  );
}

/** The same JSON, its members in another order. */
function reversed(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toReversed());
}

/** A state has the token in one spelling. */
function normalized(token: string | undefined): string | null {
  return token === undefined ? null : canonicalToken(token);
}
