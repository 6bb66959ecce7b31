import { expect } from 'vitest';

import {
  ConfirmationRecord,
  TwoFactorCodeMismatchError,
  TwoFactorError,
  TwoFactorTooManyRequestsError,
} from '../../lib/index.js';
import { documentedOutcome, type Route } from './documented-answers.js';
import { dumpOf } from './dump.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from './http.js';
import { startApp, type LoggedStatement, type TestApp, type TestAppInput } from './test-app.js';

/**
 * One application, entered the same way over HTTP and by its services. Outcomes are words: `done`, or the slug of the
 * refusal, with what it says beside it: `code-mismatch, 4 left`, `too-many-requests, in 30 s`.
 */
export interface Entrance {
  readonly test: TestApp;
  /** Over HTTP only: for what the services have no word. */
  readonly http?: HttpTestApp;
  /** Asks for a confirmation, and tells what its owner then knows. */
  made(body?: Record<string, unknown>): Promise<{ id: string; code: string }>;
  request(body: unknown): Promise<string>;
  confirm(id: unknown, code: unknown): Promise<string>;
  resend(id: unknown): Promise<string>;
  /** Answers the status where it is done. */
  check(id: unknown): Promise<string>;
  row(id: string): Promise<ConfirmationRecord>;
  /** Runs it, fails if any row changed, and returns the statements that were sent to the database. */
  unchanged(work: () => Promise<unknown>): Promise<LoggedStatement[]>;
  close(): Promise<void>;
}

/** The limits as they are by default, but for messages and pending confirmations: for tests that make many for one token. */
export const FAILURES_ONLY = {
  pending: false,
  sendsPerToken: false,
  sendsPerRequester: false,
  sendsPerNetwork: false,
  sendsPerSender: false,
  sendsInTotal: false,
} as const;

export interface Door {
  readonly name: string;
  readonly open: (input?: TestAppInput) => Promise<Entrance>;
}

export const httpDoors: readonly Door[] = adapters.map(({ name, create }) => ({
  name,
  open: (input = {}) => openHttp({ adapter: create(), ...input }),
}));

export const services: Door = { name: 'the services', open: openServices };

/** For `describe.each(doors)`. */
export const doors: readonly Door[] = [...httpDoors, services];

type Common = Pick<Entrance, 'test' | 'row' | 'unchanged' | 'close'>;

function common(test: TestApp): Common {
  return {
    test,
    row: (id) => rowOf(test, id),
    unchanged: async (work) => {
      const before = await dumpOf(test.dataSource);
      const statements = await test.log.during(work);
      expect(await dumpOf(test.dataSource)).toStrictEqual(before);
      return statements;
    },
    close: () => test.close(),
  };
}

async function rowOf({ dataSource }: TestApp, id: string): Promise<ConfirmationRecord> {
  return dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id });
}

async function openHttp(input: TestAppInput): Promise<Entrance> {
  const test = await startHttpApp({ ...input, options: { controller: true, ...input.options } });
  const post = async (route: Route, body: unknown): Promise<[string, Answer]> => {
    const answer = await test.post(`/2factor/${route}`, body);
    return [withMembers(documentedOutcome(route, answer), answer.body), answer];
  };
  return {
    ...common(test),
    http: test,
    made: (body) => test.request(body),
    request: async (body) => (await post('request-confirmation', body))[0],
    confirm: async (id, code) => (await post('confirm', { id, code }))[0],
    resend: async (id) => (await post('resend', { id }))[0],
    check: async (id) => {
      const [outcome, answer] = await post('check', { id });
      return outcome === 'done' ? (answer.body as { status: string }).status : outcome;
    },
  };
}

function withMembers(outcome: string, body: unknown): string {
  const { attemptsLeft, retryAfter } = body as { attemptsLeft?: number; retryAfter?: number };
  if (outcome === 'code-mismatch') return `${outcome}, ${attemptsLeft} left`;
  return outcome === 'too-many-requests' && retryAfter !== undefined
    ? `${outcome}, in ${retryAfter} s`
    : outcome;
}

async function openServices(input: TestAppInput = {}): Promise<Entrance> {
  const test = await startApp(input);
  const { confirmer, twoFactor } = test;
  const { maxAttempts = 5 } = input.options ?? {};
  const left = new Map<string, number>();
  const entrance: Entrance = {
    ...common(test),
    made: async (body = { token: 'ann@example.com' }) => {
      const { id } = await twoFactor.request(body as never);
      return { id, code: test.inbox.lastCode };
    },
    request: (body) =>
      outcomeOf(async () => {
        await twoFactor.request(body as never);
        return 'done';
      }),
    confirm: (id, code) =>
      outcomeOf(async () => {
        const [state, confirmed] = await confirmer.confirm(id as never, code as never);
        if (confirmed) return 'done';
        if (state === null) return 'not-found';
        const { attemptsLeft, status } = state;
        // The status alone does not tell a last wrong code from one that was refused unread.
        const before = left.get(state.id) ?? maxAttempts;
        left.set(state.id, attemptsLeft);
        return (status === 'pending' || status === 'locked') && attemptsLeft < before
          ? `code-mismatch, ${attemptsLeft} left`
          : STATUS_SLUGS[status];
      }),
    resend: (id) =>
      outcomeOf(async () => {
        await twoFactor.resend(id as never);
        return 'done';
      }),
    check: (id) =>
      outcomeOf(async () => (await confirmer.check(id as never))[0]?.status ?? 'not-found'),
  };
  return entrance;
}

const STATUS_SLUGS = {
  // Only for a row that was changed by hand.
  pending: 'expired',
  confirmed: 'already-confirmed',
  used: 'already-used',
  expired: 'expired',
  locked: 'attempts-exhausted',
  cancelled: 'cancelled',
} as const;

/** What a call of a service came to, in the words of the HTTP routes. Whatever is no error of the package is thrown on. */
export async function outcomeOf(call: () => Promise<string>): Promise<string> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof TwoFactorError)) throw error;
    if (error instanceof TwoFactorCodeMismatchError)
      return `${error.code}, ${error.attemptsLeft} left`;
    return error instanceof TwoFactorTooManyRequestsError && error.retryAfterSeconds !== null
      ? `${error.code}, in ${error.retryAfterSeconds} s`
      : error.code;
  }
}
