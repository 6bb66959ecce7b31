// What the simulations of this folder share: the module in a real application on a real database, a clock that skips ahead,
// and clients whose addresses are named by a header.
import type { ExecutionContext, LoggerService } from '@nestjs/common';

import { LimitService, type LimitsOptions } from '../../lib/index.js';
import { FakeClock } from '../../lib/testing/index.js';
import { installAttemptTrigger } from '../support/attempt-trigger.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import type { EngineName } from '../support/engines.js';
import { SILENT, type TestAppInput } from '../support/test-app.js';

export const MINUTE = 60;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The customer under attack. Strangers know her number. */
export const OWNER = 'ann';
export const OWNER_PHONE = '+436601234567';
const OWNER_HOME = '192.0.2.1';

/** Purposes: one that strangers use, and two that are bound to a signed-in subject. */
export const OPEN = 'sign-up';
export const BOUND = 'login';
export const OTHER_BOUND = 'transfer';
/** A purpose whose subject is the user name that an anonymous client types. */
export const FORGOTTEN = 'forgotten-password';

/** Where a client calls from, and as whom it is signed in. */
export interface Caller {
  readonly from: string;
  readonly as?: string | undefined;
}

export type Route = 'request-confirmation' | 'confirm' | 'check' | 'resend';

export interface WorldInput extends Pick<TestAppInput, 'adapter'> {
  readonly engine: EngineName;
  readonly limits?: LimitsOptions;
  /** What else goes into the options of the module. */
  readonly options?: TestAppInput['options'];
  readonly start?: Date;
  /** Whether the purpose of forgotten passwords says that its subjects are only claimed. @default true */
  readonly claimedSubject?: boolean;
}

export interface World {
  readonly test: HttpTestApp;
  readonly clock: FakeClock;
  readonly limits: LimitService;
  /** Calls a route of the bundled controller. */
  call(route: Route, body: Record<string, unknown>, caller: Caller): Promise<Answer>;
  /** How many codes the database itself saw compared, at the confirmations of this purpose and subject. */
  comparedAt(purpose: string, subject: string): Promise<number>;
  messagesTo(token: string): number;
  close(): Promise<void>;
}

const NO_LOGGER: LoggerService = {
  log: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** The default limits, and requesters that a header names, so that one test can call from 10,000 addresses. */
export async function startWorld(input: WorldInput): Promise<World> {
  const clock = new FakeClock(input.start);
  const bound = { subject: userOf, recipient: phoneOf };
  const test = await startHttpApp({
    engine: input.engine,
    ...(input.adapter ? { adapter: input.adapter } : {}),
    // Statements pass TypeORM's loggers by, as in production. Thousands of refusals are not worth a line each.
    dataSource: SILENT,
    recorded: false,
    override: (builder) => builder.setLogger(NO_LOGGER),
    options: {
      controller: true,
      purposes: {
        [OPEN]: {},
        [BOUND]: bound,
        [OTHER_BOUND]: bound,
        [FORGOTTEN]: { ...bound, claimedSubject: input.claimedSubject ?? true },
      },
      clock,
      limits: {
        requester: (context: ExecutionContext) => headerOf(context, 'x-address'),
        ...input.limits,
      },
      ...input.options,
    },
  });
  await installAttemptTrigger(test.dataSource);
  return {
    test,
    clock,
    limits: test.app.get(LimitService, { strict: false }),
    call: (route, body, { from, as }) =>
      test.post(`/2factor/${route}`, body, {
        'x-address': from,
        ...(as === undefined ? {} : { 'x-user': as }),
      }),
    comparedAt: async (purpose, subject) => {
      const rows: { compared: string | number }[] = await test.dataSource.query(
        `SELECT count(*) AS compared FROM attempt_log JOIN two_factor_confirmation ON id = confirmation
         WHERE purpose = '${purpose}' AND subject = '${subject}'`,
      );
      return Number(rows[0]?.compared);
    },
    messagesTo: (token) =>
      test.inbox.deliveries.filter((delivery) => delivery.token === token).length,
    close: () => test.close(),
  };
}

function headerOf(context: ExecutionContext, name: string): string | undefined {
  const { headers } = context
    .switchToHttp()
    .getRequest<{ headers: Record<string, string | undefined> }>();
  return headers[name];
}

function userOf(context: ExecutionContext): string | undefined {
  return headerOf(context, 'x-user');
}

/** Each customer has one number that the application knows. As many databases do, it finds a name in any case. */
export function phoneOfUser(user: string): string {
  const name = user.toLowerCase();
  return name === OWNER ? OWNER_PHONE : `${name}@example.com`;
}

function phoneOf(context: ExecutionContext): string | undefined {
  const user = userOf(context);
  return user === undefined ? undefined : phoneOfUser(user);
}

/** Acts at certain times. */
export interface Actor {
  /** Acts once. @returns after how many seconds it wants to act again; `Infinity` for never. */
  act(): Promise<number>;
}

/** Skips from event to event, so that a month takes seconds. Of actors that are due at the same time the first in the list acts first. */
export async function simulate(
  clock: FakeClock,
  seconds: number,
  actors: readonly Actor[],
): Promise<void> {
  const end = clock.now() + seconds * 1_000;
  const due = actors.map((actor) => ({ actor, at: clock.now() }));
  for (;;) {
    const next = due.reduce((soonest, each) => (each.at < soonest.at ? each : soonest));
    if (next.at >= end) break;
    clock.set(next.at);
    const pause = await next.actor.act();
    next.at = Number.isFinite(pause) ? clock.now() + Math.ceil(pause * 1_000) : end;
  }
  clock.set(end);
}

/** 10,000 IPv4 addresses, each in a /24 of its own, one after the other. */
export function manyAddresses(): () => string {
  let next = 0;
  return () => {
    next = (next + 1) % 10_000;
    return `20.${Math.floor(next / 100)}.${next % 100}.7`;
  };
}

/** The number in `Retry-After`; `null` where there is none. */
export function retryAfter({ headers }: Answer): number | null {
  return headers['retry-after'] === undefined ? null : Number(headers['retry-after']);
}

/** The id in the answer of a request. */
export function idOf({ body }: Answer): string {
  return (body as { id: string }).id;
}

export const OWNER_AT_HOME: Caller = { from: OWNER_HOME, as: OWNER };
