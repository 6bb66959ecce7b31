import * as fc from 'fast-check';
import { expect } from 'vitest';

import type { Delivery, FailureScope } from '../../lib/index.js';
import type { Binding, BindingChoice, Call, CodeChoice, Moment, Target } from './calls.js';
import { REQUESTERS } from './limits-model.js';
import { TOKENS, type Answer, type Row } from './model-rows.js';
import type { Model } from './model.js';
import { expectedRow, rawAsExpected, type Session } from './session.js';
import { fingerprint, numberOf, type Failure, type RawRow } from './world.js';

const SUBJECTS = ['ann', 'bob'];
const KEYS = ['request-key-number-one', 'request-key-number-two'];

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

/** Absent three times of four. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const binding: fc.Arbitrary<Binding> = fc.record({
  purpose: optional(fc.constantFrom('login', 'pay')),
  subject: optional(fc.constantFrom(...SUBJECTS)),
  details: optional(
    fc.constantFrom(null, {}, { amount: 10, payee: 'bob' }, { amount: '10' }, [1, 2]),
  ),
});
/** Mostly the same one: another is refused. */
const token = fc.oneof(
  { weight: 4, arbitrary: fc.constant(TOKENS[0]!) },
  { weight: 1, arbitrary: fc.constantFrom(...TOKENS) },
);
const meta = optional(fc.constantFrom({ any: 'json' }, 'text', [{ b: 1, a: 2 }]));
const context = fc.constantFrom(undefined, { locale: 'uk' }, { locale: 'en', nested: [1] });
const ttlSeconds = optional(fc.constantFrom(30, 600, 86_400));
const key = seldom(fc.constantFrom(...KEYS));
const failure: fc.Arbitrary<Failure> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('none' as const) },
  { weight: 1, arbitrary: fc.constantFrom('transient' as const, 'permanent' as const) },
);
const transaction = seldom(fc.constantFrom('commit' as const, 'rollback' as const));
const way: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('default', 'other') },
  { weight: 1, arbitrary: fc.constant('unknown') },
);
/** The newest ones most of the time, so that calls meet; now and then one that was never made. */
const ref = fc.oneof(
  { weight: 12, arbitrary: fc.nat({ max: 2 }) },
  { weight: 1, arbitrary: fc.constant(-1) },
);
const target: fc.Arbitrary<Target> = fc.record({
  ref,
  by: fc.constantFrom('id' as const, 'state' as const),
});
const code: fc.Arbitrary<CodeChoice> = fc.oneof(
  { weight: 4, arbitrary: fc.constant('right' as const) },
  { weight: 4, arbitrary: fc.constant('wrong' as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<CodeChoice>('decorated', 'old', 'other', 'malformed'),
  },
);
const bindingChoice: fc.Arbitrary<BindingChoice> = fc.oneof(
  { weight: 5, arbitrary: fc.constant('same' as const) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<BindingChoice>('reordered', 'purpose', 'subject', 'details', 'none'),
  },
);
const moment: fc.Arbitrary<Moment> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ ms: fc.constantFrom(1, 999, 5_000, 30_000, 60_000, 299_999) }),
  },
  { weight: 1, arbitrary: fc.record({ ms: fc.constantFrom(600_000, 86_400_000) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      ref: fc.nat({ max: 2 }),
      limit: fc.constantFrom('expiresAt' as const, 'useBefore' as const, 'resendAt' as const),
      offset: fc.constantFrom(-1 as const, 0 as const, 1 as const),
    }),
  },
);

const subject = fc.constantFrom(...SUBJECTS);
const scope: fc.Arbitrary<FailureScope> = fc.oneof(
  fc.record({ token }),
  fc.record({ subject }),
  fc.record({ subject, token }),
);
const requester = seldom(fc.constantFrom(...REQUESTERS));
const tokenFrom = seldom(fc.constant('client' as const));

/** Every kind of call, by name; a property takes those it is about, and says how often. */
export const calls = {
  make: fc.record({
    op: fc.constant('make' as const),
    binding,
    token: seldom(token),
    tokenFrom,
    way: seldom(way),
    isConfirmed: seldom(fc.constant(true)),
    ttlSeconds,
    meta,
    context: seldom(context),
    key,
    transaction,
  }),
  request: fc.record({
    op: fc.constant('request' as const),
    binding,
    token,
    tokenFrom,
    way: seldom(way),
    ttlSeconds,
    meta,
    context,
    key,
    requester,
    failure,
  }),
  send: fc.record({
    op: fc.constant('send' as const),
    target,
    name: fc.option(way, { nil: null }),
    token,
    requester,
    context,
    failure,
  }),
  resend: fc.record({ op: fc.constant('resend' as const), target, requester, failure }),
  confirm: fc.record({ op: fc.constant('confirm' as const), target, code }),
  confirmByHand: fc.record({
    op: fc.constant('confirmByHand' as const),
    target: fc.record({ ref: fc.nat({ max: 2 }), by: fc.constant('state' as const) }),
  }),
  use: fc.record({
    op: fc.constant('use' as const),
    target,
    binding: bindingChoice,
    key,
    transaction,
  }),
  cancel: fc.record({ op: fc.constant('cancel' as const), target }),
  check: fc.record({ op: fc.constant('check' as const), target, binding: optional(bindingChoice) }),
  erase: fc.record({ op: fc.constant('erase' as const), subject }),
  purge: fc.record({
    op: fc.constant('purge' as const),
    olderThan: fc.constantFrom('default' as const, 'now' as const, 'later' as const),
  }),
  advance: fc.record({ op: fc.constant('advance' as const), to: moment }),
  rotateKey: fc.record({ op: fc.constant('rotateKey' as const) }),
  dropKey: fc.record({ op: fc.constant('dropKey' as const) }),
  restart: fc.record({ op: fc.constant('restart' as const) }),
  reset: fc.record({ op: fc.constant('reset' as const), scope }),
  failures: fc.record({ op: fc.constant('failures' as const), scope }),
  // Those that must follow one another for something to happen.
  guess: fc.record({
    op: fc.constant('confirm' as const),
    target: fc.record({ ref: fc.nat({ max: 1 }), by: fc.constant('id' as const) }),
    code: fc.constantFrom('wrong' as const, 'wrong' as const, 'wrong' as const, 'old' as const),
  }),
  typeIn: fc.record({
    op: fc.constant('confirm' as const),
    target: fc.record({ ref: fc.nat({ max: 1 }), by: fc.constant('id' as const) }),
    code: fc.constantFrom('right' as const, 'old' as const, 'right' as const),
  }),
  spend: fc.record({
    op: fc.constant('use' as const),
    target: fc.record({ ref: fc.nat({ max: 1 }), by: fc.constant('id' as const) }),
    binding: fc.constant('same' as const),
    key,
  }),
  coolDown: fc.record({
    op: fc.constant('advance' as const),
    to: fc.record({
      ref: fc.nat({ max: 1 }),
      limit: fc.constant('resendAt' as const),
      offset: fc.constant(0 as const),
    }),
  }),
  ask: fc.record({
    op: fc.constant('request' as const),
    binding: fc.record({ subject: optional(fc.constant('ann')) }),
    token: fc.constantFrom('ann@example.com', 'Ann@EXAMPLE.com'),
    tokenFrom,
    ttlSeconds,
    requester,
    failure,
  }),
  waitABit: fc.record({
    op: fc.constant('advance' as const),
    to: fc.record({ ms: fc.constantFrom(1_000, 30_000, 149_999, 150_000, 300_000, 599_999) }),
  }),
  repeat: fc.record({
    op: fc.constant('resend' as const),
    target: fc.record({
      ref: fc.nat({ max: 1 }),
      by: fc.constantFrom('id' as const, 'state' as const),
    }),
    failure,
  }),
} satisfies Readonly<Record<string, fc.Arbitrary<Call>>>;

export type Weights = Readonly<Partial<Record<keyof typeof calls, number>>>;

/** Any of these calls, the heavier the more often. */
export function anyOf(weights: Weights): fc.Arbitrary<Call> {
  return fc.oneof(
    ...Object.entries(weights).map(([op, weight]) => ({
      weight,
      arbitrary: calls[op as keyof typeof calls] as fc.Arbitrary<Call>,
    })),
  );
}

/** What a session sees beside the answers; kept for the whole run. */
export interface Observed {
  readonly session: Session;
  rows: ReadonlyMap<string, RawRow>;
}

/** One call, done by the model and for real: answer, messages and table must be the same. */
export class Step implements fc.AsyncCommand<Model, Observed> {
  constructor(private readonly call: Call) {}

  check(model: Model): boolean {
    const { call } = this;
    if (call.op === 'rotateKey') return model.ring.length === 1;
    if (call.op === 'dropKey') return model.ring.length === 2;
    // The refs of a short history are few: an id that cannot exist yet is not drawn.
    if ('target' in call) return call.target.ref < model.rows.length;
    return true;
  }

  async run(model: Model, observed: Observed): Promise<void> {
    const { call } = this;
    const { session } = observed;
    const { world } = session;
    const sentBefore = world.deliveries.length;
    const before = new Map(model.rows.entries());

    const { answer, drawn } = await session.perform(call);
    expectSame(answer, model.apply(call, drawn));

    const messages = world.deliveries.slice(sentBefore).map(messageOf);
    expectSame(messages, expectedMessages(before, model));
    const rows = await world.rows();
    expectTable(rows, model);
    expectMonotone(observed.rows, rows);
    observed.rows = rows;
    if (call.op === 'rotateKey' || call.op === 'dropKey' || call.op === 'restart') {
      await session.adopt();
      model.held.clear();
      model.rows.forEach((row, ref) => row && model.held.set(ref, row));
    }
  }

  toString(): string {
    return JSON.stringify(this.call);
  }
}

/** What a history begins with, so that there is something to act on. */
export const beginning: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(calls.request, calls.make).map((call) => new Step(call)),
  { minLength: 2, maxLength: 3 },
);

function messageOf({ name, token, code, state, context }: Delivery): Answer {
  return { name, token, code: fingerprint(code), id: state.id, context };
}

/** A message for every row whose `sends` moved: to its token alone, with the code that now counts. */
function expectedMessages(before: ReadonlyMap<number, Row | null>, model: Model): Answer[] {
  return model.rows.flatMap((row, ref) => {
    if (row === null || row.sends === (before.get(ref)?.sends ?? 0)) return [];
    const { way, token, code, id, context = {} } = row;
    return [{ name: way, token, code: fingerprint(code!), id, context }];
  });
}

/** The table holds exactly what the model says, and nothing else. */
export function expectTable(rows: ReadonlyMap<string, RawRow>, model: Model): void {
  const live = model.rows.filter((row) => row !== null);
  const expected = Object.fromEntries(live.map((row) => [row.id, expectedRow(row)]));
  const actual = Object.fromEntries(
    Array.from(rows, ([id, raw]) => {
      const row = live.find((candidate) => candidate.id === id);
      return [id, row ? rawAsExpected(raw, row) : 'unexpected'];
    }),
  );
  expect(actual).toEqual(expected);
}

const ONLY_GROW = ['attempts', 'sends'];
const WRITTEN_ONCE = ['confirmed_at', 'use_before', 'used_at', 'use_key', 'cancelled_at'];
const NEVER_CHANGE = [
  'purpose',
  'subject',
  'details',
  'details_mac',
  'meta',
  'max_attempts',
  'created_at',
  'expires_at',
];

/** I3, counted by the database: how many codes were compared, by id. */
export async function comparisonsIn({ session }: Observed): Promise<Record<string, number>> {
  return Object.fromEntries(await session.world.comparisons());
}

function expectSame(actual: unknown, expected: unknown): void {
  expect(actual).toEqual(expected);
}

/** I5, said of the columns themselves. */
export function expectMonotone(
  before: ReadonlyMap<string, RawRow>,
  after: ReadonlyMap<string, RawRow>,
): void {
  for (const [id, row] of after) {
    const earlier = before.get(id);
    if (earlier === undefined) continue;
    for (const column of ONLY_GROW) {
      expect(numberOf(row, column), column).toBeGreaterThanOrEqual(numberOf(earlier, column)!);
    }
    for (const column of WRITTEN_ONCE) {
      if (earlier[column] !== null) expect(row[column], column).toBe(earlier[column]);
    }
    for (const column of NEVER_CHANGE) expect(row[column], column).toBe(earlier[column]);
    expect(rankOf(row), 'status').toBeGreaterThanOrEqual(rankOf(earlier));
  }
}

/** How far a row is in its life, whatever the time is. */
function rankOf(row: RawRow): number {
  if (row['cancelled_at'] !== null || row['used_at'] !== null) return 2;
  return row['confirmed_at'] === null ? 0 : 1;
}
