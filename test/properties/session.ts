import { isDeepStrictEqual } from 'node:util';

import { codeMac, newId } from '../../lib/crypto/index.js';
import {
  ConfirmationState,
  LimitService,
  TwoFactorError,
  type ConfirmationReference,
  type RequestedConfirmation,
} from '../../lib/index.js';
import type { TestApp } from '../support/test-app.js';
import type { Call, Target } from './calls.js';
import type { Answer, Drawn, Row } from './model-rows.js';
import type { Model } from './model.js';
import { fingerprint, KIDS, numberOf, ringOf, type RawRow, type World } from './world.js';

/** A transaction of the application that is rolled back. */
class RolledBack extends Error {}

/** One run: the real services, and the states that its callers hold on to. */
export class Session {
  readonly #states = new Map<number, ConfirmationState>();
  /** An id that was never made. */
  readonly #unknown: string;

  private constructor(
    readonly world: World,
    private readonly model: Model,
  ) {
    this.#unknown = newId(world.clock.now());
  }

  static async open(world: World, model: Model): Promise<Session> {
    await world.clear();
    return new Session(world, model);
  }

  /** Does it for real; `instance` is the application that is asked, of several with the same secrets. */
  async perform(call: Call, instance = 0): Promise<{ answer: Answer; drawn: Drawn }> {
    const { world } = this;
    const before = world.drawn.length;
    const made: { id?: string } = {};
    const answer = await this.#answer(call, await world.app(this.model.ring, instance), made);
    return { answer, drawn: { codes: world.drawn.slice(before), id: made.id } };
  }

  id(ref: number): string {
    return this.model.ids[ref] ?? this.#unknown;
  }

  /** Holds on to the states that other applications handed out no longer. */
  async adopt(): Promise<void> {
    const { confirmer } = await this.world.app(this.model.ring);
    this.#states.clear();
    for (const [ref, id] of this.model.ids.entries()) {
      const [state] = await confirmer.check(id);
      if (state) this.#states.set(ref, state);
    }
  }

  #reference(target: Target): ConfirmationReference {
    const state = target.by === 'state' ? this.#states.get(target.ref) : undefined;
    return state ?? this.id(target.ref);
  }

  async #answer(call: Call, app: TestApp, made: { id?: string }): Promise<Answer> {
    try {
      return await this.#call(call, app, made);
    } catch (error) {
      return answerOf(error);
    }
  }

  async #call(call: Call, app: TestApp, made: { id?: string }): Promise<Answer> {
    const { confirmer, sender, twoFactor, dataSource } = app;
    const limits = app.app.get(LimitService, { strict: false });
    const { model, world } = this;
    switch (call.op) {
      case 'make': {
        const { op: _op, binding, transaction, key: idempotencyKey, ...rest } = call;
        const input = { ...binding, ...rest, idempotencyKey };
        const state =
          transaction === undefined
            ? await confirmer.makeConfirmation(input)
            : await inTransaction(transaction, dataSource, (manager) =>
                confirmer.makeConfirmation({ ...input, manager }),
              );
        this.#keep(state, made, transaction !== 'rollback');
        return { state: viewOf(state) };
      }
      case 'request': {
        const { op: _op, binding, failure, key: idempotencyKey, ...rest } = call;
        world.failure = failure;
        const known = world.deliveries.length;
        try {
          const request = await twoFactor.request({ ...binding, ...rest, idempotencyKey });
          this.#keep(request.state, made, true);
          return described(request);
        } catch (error) {
          // Made all the same: its message says which one it is.
          const { state } = world.deliveries[known] ?? {};
          if (state) this.#keep(state, made, true);
          throw error;
        } finally {
          world.failure = 'none';
        }
      }
      case 'send': {
        const { target, name, token, requester, context, failure } = call;
        const reference = this.#reference(target);
        world.failure = failure;
        try {
          const state = await sender.send(name, token, reference, context, { requester });
          return { state: viewOf(state) };
        } finally {
          world.failure = 'none';
        }
      }
      case 'resend':
        world.failure = call.failure;
        try {
          return described(
            await twoFactor.resend(this.#reference(call.target), { requester: call.requester }),
          );
        } finally {
          world.failure = 'none';
        }
      case 'confirm':
        return result(
          await confirmer.confirm(
            this.#reference(call.target),
            model.codeOf(call.target.ref, call.code),
          ),
        );
      case 'confirmByHand':
        return { done: (await this.#states.get(call.target.ref)?.confirm()) ?? false };
      case 'use': {
        const { target, key, transaction } = call;
        const reference = this.#reference(target);
        const input = { ...model.bindingOf(target.ref, call.binding), idempotencyKey: key };
        const done =
          transaction === undefined
            ? await confirmer.use(reference, input)
            : await inTransaction(transaction, dataSource, (manager) =>
                confirmer.use(reference, { ...input, manager }),
              );
        return { done };
      }
      case 'cancel':
        return { done: await confirmer.cancel(this.#reference(call.target)) };
      case 'check': {
        const { target, binding } = call;
        const input = binding && model.bindingOf(target.ref, binding);
        return result(await confirmer.check(this.#reference(target), input));
      }
      case 'erase':
        return { count: await confirmer.erase({ subject: call.subject }) };
      case 'purge': {
        const now = world.clock.now();
        const olderThan = { default: undefined, now: new Date(now), later: new Date(now * 2) };
        return { count: await confirmer.purge({ olderThan: olderThan[call.olderThan] }) };
      }
      case 'advance':
        world.clock.advanceTo(model.momentOf(call));
        return {};
      case 'restart':
        await world.restart(model.ring);
        return {};
      case 'reset':
        await limits.reset(call.scope);
        return {};
      case 'failures': {
        const { lockedUntil, ...rest } = await limits.failures(call.scope);
        return { ...rest, lockedUntil: lockedUntil?.toISOString() ?? null };
      }
      case 'rotateKey':
      case 'dropKey':
        return {};
      default:
        return call satisfies never;
    }
  }

  /** The state of a confirmation that is new is held on to. */
  #keep(state: ConfirmationState, made: { id?: string }, stays: boolean): void {
    made.id = state.id;
    const { ids } = this.model;
    const known = ids.indexOf(state.id);
    const ref = known < 0 ? ids.length : known;
    if (stays && this.model.row(ref) === null) this.#states.set(ref, state);
  }
}

async function inTransaction<T>(
  end: 'commit' | 'rollback',
  dataSource: TestApp['dataSource'],
  work: (manager: TestApp['dataSource']['manager']) => Promise<T>,
): Promise<T> {
  const box: { value?: T } = {};
  try {
    await dataSource.transaction(async (manager) => {
      box.value = await work(manager);
      if (end === 'rollback') throw new RolledBack();
    });
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error;
  }
  return box.value!;
}

/** An error of this package in words that the model can say; anything else is no answer. */
export function answerOf(error: unknown): Answer {
  if (!(error instanceof TwoFactorError)) throw error;
  const { id, resendAt, retryAfterSeconds } = error as {
    id?: string;
    resendAt?: Date;
    retryAfterSeconds?: number | null;
  };
  return {
    error: error.code,
    ...(id === undefined ? {} : { id }),
    ...(resendAt === undefined ? {} : { resendAt: resendAt.toISOString() }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}

function result([state, done]: readonly [ConfirmationState | null, boolean]): Answer {
  return { state: state && viewOf(state), done };
}

function described({ state, resendAt, codeLength, maskedToken }: RequestedConfirmation): Answer {
  return { state: viewOf(state), resendAt: resendAt.toISOString(), codeLength, maskedToken };
}

/** All that a state shows, its code as a fingerprint. */
export function viewOf(state: ConfirmationState): Answer {
  const { id, purpose, subject, way, details, meta, status, isConfirmed, isUsed, attemptsLeft } =
    state;
  const { createdAt, expiresAt, confirmedAt, useBefore, usedAt } = state;
  const dates = { createdAt, expiresAt, confirmedAt, useBefore, usedAt };
  const opened = (member: 'code' | 'token'): string | null => {
    try {
      return state[member];
    } catch (error) {
      if (answerOf(error)['error'] === 'unknown-secret') return 'sealed';
      throw error;
    }
  };
  const code = opened('code');
  return {
    id,
    purpose,
    subject,
    way,
    details,
    meta,
    status,
    isConfirmed,
    isUsed,
    attemptsLeft,
    ...Object.fromEntries(
      Object.entries(dates).map(([name, date]) => [name, date?.toISOString() ?? null]),
    ),
    token: opened('token'),
    code: code === null || code === 'sealed' ? code : fingerprint(code),
  };
}

/** A row of the table in the words of the model. */
export function rawAsExpected(raw: RawRow, row: Row): Answer {
  const number = (column: string): number | null => numberOf(raw, column);
  const text = (column: string): string | undefined => (raw[column] as string | null) ?? undefined;
  return {
    purpose: raw['purpose'],
    subject: raw['subject'],
    details: text('details'),
    meta: text('meta'),
    way: raw['way'],
    createdAt: number('created_at'),
    expiresAt: number('expires_at'),
    attempts: number('attempts'),
    maxAttempts: number('max_attempts'),
    sends: number('sends'),
    lastSentAt: number('last_sent_at'),
    confirmedAt: number('confirmed_at'),
    useBefore: number('use_before'),
    usedAt: number('used_at'),
    useKey: raw['use_key'],
    cancelledAt: number('cancelled_at'),
    // As yes and no, so that no MAC is ever printed beside what it stands for.
    codeIsSigned: text('code_mac') === macOf(row),
    isSealedBy: text('envelope')?.split('.')[1],
    detailsAreSignedBy: text('details_mac')?.split('.')[1],
  };
}

export function expectedRow(row: Row): Answer {
  const { purpose, subject, details, meta, way, createdAt, expiresAt, attempts, sends } = row;
  const { lastSentAt, confirmedAt, useBefore, usedAt, useKey, cancelledAt } = row;
  return {
    purpose,
    subject,
    details,
    meta,
    way,
    createdAt,
    expiresAt,
    attempts,
    maxAttempts: 5,
    sends,
    lastSentAt,
    confirmedAt,
    useBefore,
    usedAt,
    useKey,
    cancelledAt,
    codeIsSigned: true,
    isSealedBy: row.code === undefined ? undefined : KIDS[row.codeSecret],
    detailsAreSignedBy: KIDS[row.detailsSecret],
  };
}

function macOf({ id, code, codeSecret }: Row): string | undefined {
  return code === undefined ? undefined : codeMac(ringOf([codeSecret]).current, id, code);
}

export const same = isDeepStrictEqual;
