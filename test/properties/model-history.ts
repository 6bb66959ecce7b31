import type { JsonValue } from '../../lib/index.js';
import type { Binding, BindingChoice, Call, CodeChoice, Target } from './calls.js';
import {
  canonical,
  cooldownOf,
  MASKED,
  MAX_ATTEMPTS,
  normalized,
  refuse,
  reversed,
  STATE_CODES,
  USE_WITHIN_MS,
  type Answer,
  type Row,
  type Status,
} from './model-rows.js';
import { fingerprint, type Ring, type Secret } from './world.js';

/** The rows of a history of calls, and what each call means for them: the same for the model and for the system. */
export class ModelHistory {
  readonly ids: string[];
  readonly rows: (Row | null)[];
  /** What the states that callers hold on to last read. */
  readonly held: Map<number, Row>;
  /** How many codes were compared, by id: also of rows that are gone. */
  readonly comparisons: Map<string, number>;
  ring: Ring;

  constructor(
    readonly now: () => number,
    from?: ModelHistory,
  ) {
    this.ids = [...(from?.ids ?? [])];
    this.rows = [...(from?.rows ?? [])];
    this.held = new Map(from?.held);
    this.comparisons = new Map(from?.comparisons);
    this.ring = from?.ring ?? ['old'];
  }

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
    const isOpen = this.has(row.codeSecret);
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

  protected describe(row: Row): Answer {
    return {
      state: this.view(row),
      resendAt: new Date(this.resendAt(row)).toISOString(),
      codeLength: row.code!.length,
      maskedToken: MASKED[row.token!],
    };
  }

  protected isFor(row: Row, { purpose = '', subject = '', details }: Binding): boolean {
    return (
      row.purpose === purpose &&
      row.subject === subject &&
      row.details === canonical(details) &&
      this.has(row.detailsSecret)
    );
  }

  protected has(secret: Secret): boolean {
    return this.ring.includes(secret);
  }

  /** Attempts do not count: an application may be sure by other means. */
  protected isOpen(row: Row): boolean {
    return row.confirmedAt === null && row.cancelledAt === null && this.now() < row.expiresAt;
  }

  protected isPending(row: Row): boolean {
    return this.isOpen(row) && row.attempts < MAX_ATTEMPTS;
  }

  protected assertPending(row: Row): void {
    const status = this.statusOf(row);
    if (status !== 'pending') refuse(STATE_CODES[status]);
  }

  protected confirmed(): Pick<Row, 'confirmedAt' | 'useBefore'> {
    return { confirmedAt: this.now(), useBefore: this.now() + USE_WITHIN_MS };
  }

  protected resendAt(row: Row): number {
    const now = this.now();
    if (row.lastSentAt === null) return now;
    const pause = cooldownOf(row.sends) ?? 0;
    return Math.min(row.lastSentAt + pause, now + pause);
  }

  protected change(ref: number, change: Partial<Row>): void {
    this.rows[ref] = { ...this.row(ref)!, ...change };
  }

  protected drop(isGone: (row: Row) => boolean): number {
    let count = 0;
    this.rows.forEach((row, ref) => {
      if (row === null || !isGone(row)) return;
      this.rows[ref] = null;
      count += 1;
    });
    return count;
  }
}
