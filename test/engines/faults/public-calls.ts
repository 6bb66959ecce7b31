// Every public call of the package, made ready while all is well, so that it can be made while something is not.
import {
  Body,
  Controller,
  HttpCode,
  Post,
  UseFilters,
  type ExecutionContext,
} from '@nestjs/common';
import type { QueryRunner } from 'typeorm';

import {
  Confirmation,
  ConfirmationProof,
  LimitService,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  TwoFactorUnavailableError,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../../lib/index.js';
import { WRONG_CODE } from '../../support/canaries.js';
import type { Answer, HttpTestApp } from '../../support/http.js';
import type { TestApp } from '../../support/test-app.js';

export const UNAVAILABLE = 'TwoFactorUnavailableError';

@Controller('transfers')
@UseFilters(TwoFactorExceptionFilter)
export class TransfersController {
  @Post('used-in-guard')
  @HttpCode(200)
  @RequireConfirmation('transfer')
  inGuard(): { done: true } {
    return { done: true };
  }

  @Post('used-in-handler')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async inHandler(
    @Confirmation() proof: ConfirmationProof,
    @Body() _body: unknown,
  ): Promise<{ done: true }> {
    await proof.use();
    return { done: true };
  }
}

const userOf = (context: ExecutionContext): string => {
  const { headers } = context
    .switchToHttp()
    .getRequest<{ headers: Readonly<Record<string, string | undefined>> }>();
  return headers['x-user'] ?? 'no-user';
};

/** All that these calls need; everything else, above all limits and batching, is as it is by default. */
export const CALL_OPTIONS = {
  controller: true,
  purposes: {
    'sign-up': {},
    transfer: { subject: userOf, recipient: (context) => `${userOf(context)}@bank.example` },
  },
  limits: {},
} satisfies TwoFactorModuleOptions & TwoFactorModuleExtras;

/** The application that meets the fault, and one that does not, which prepares the calls. */
export interface Applications {
  readonly test: HttpTestApp;
  readonly direct: TestApp;
}

/** A call that is ready to be made. */
export interface PublicCall {
  readonly name: string;
  /** Tells what came of it: the name of the error's class, or the answer. */
  readonly make: () => Promise<string>;
}

/** Of two preparations none may share a token or a subject, or they would use up each other's limits. */
let people = 0;

/**
 * One of each, for another person each.
 *
 * @param isAlone whether there is one connection only, so that none can be in a transaction meanwhile: `use` with a manager
 * is left out.
 */
export async function preparePublicCalls(
  { test, direct }: Applications,
  { isAlone = false }: { readonly isAlone?: boolean } = {},
): Promise<{ readonly calls: readonly PublicCall[]; close: () => Promise<void> }> {
  const limits = test.app.get(LimitService, { strict: false });
  const calls: PublicCall[] = [];
  const add = (name: string, call: () => Promise<unknown>): void => {
    calls.push({ name, make: () => wordOf(call) });
  };
  const post = (path: string, body: object, headers: Record<string, string> = {}) => {
    return async (): Promise<unknown> => answerOf(await test.post(path, body, headers));
  };
  const person = (): { subject: string; token: string; purpose: string } => {
    people += 1;
    const subject = `user-${people}`;
    return { subject, token: `${subject}@bank.example`, purpose: 'transfer' };
  };
  const pending = async (): Promise<ReturnType<typeof person> & { id: string; code: string }> => {
    const who = person();
    const { id } = await direct.twoFactor.request({ ...who, way: 'default' });
    return { ...who, id, code: direct.inbox.lastCode };
  };
  const proof = async (): Promise<ReturnType<typeof person> & { id: string }> => {
    const who = person();
    const { purpose, subject } = who;
    const { id } = await direct.confirmer.makeConfirmation({ purpose, subject, isConfirmed: true });
    return { ...who, id };
  };
  /** Has asked before, so that rows of limits exist which can be locked; nothing of it is pending. */
  const returning = async (): Promise<ReturnType<typeof person>> => {
    const { id, code: _code, ...who } = await pending();
    await direct.confirmer.cancel(id);
    return who;
  };

  /** The same for confirmations without a message: the row of their pending slot exists, and is free. */
  const returningToMake = async (): Promise<ReturnType<typeof person>> => {
    const who = person();
    const { id } = await direct.confirmer.makeConfirmation(who);
    await direct.confirmer.cancel(id);
    return who;
  };
  const { confirmer, sender, twoFactor } = test;
  const maker = await returningToMake();
  add('makeConfirmation', () => confirmer.makeConfirmation(maker));
  const keyed = await returningToMake();
  add('makeConfirmation with a key', () =>
    confirmer.makeConfirmation({ ...keyed, idempotencyKey: `make-${keyed.subject}-and-more` }),
  );
  const checked = await proof();
  add('check', () => confirmer.check(checked.id).then(([, isUsable]) => isUsable));
  const guessed = await pending();
  add('confirm with a wrong code', () =>
    confirmer.confirm(guessed.id, WRONG_CODE).then(([, isDone]) => isDone),
  );
  const right = await pending();
  add('confirm with the right code', () =>
    confirmer.confirm(right.id, right.code).then(([, isDone]) => isDone),
  );
  const byHand = await pending();
  const [handState] = await confirmer.check(byHand.id);
  add('state.confirm', () => handState!.confirm());
  const used = await proof();
  add('use', () => confirmer.use(used.id, { purpose: 'transfer', subject: used.subject }));
  const usedWithKey = await proof();
  add('use with a key', () =>
    confirmer.use(usedWithKey.id, {
      purpose: 'transfer',
      subject: usedWithKey.subject,
      idempotencyKey: `use-${usedWithKey.subject}-and-more`,
    }),
  );
  const cancelled = await pending();
  add('cancel', () => confirmer.cancel(cancelled.id));
  const erased = await pending();
  add('erase', () => confirmer.erase({ subject: erased.subject }));
  const dead = await pending();
  await direct.dataSource.query(
    `UPDATE two_factor_confirmation SET expires_at = 1 WHERE id = '${dead.id}'`,
  );
  add('purge', () => confirmer.purge({ olderThan: new Date(test.clock.now()) }));
  const requester = await returning();
  add('request', () => twoFactor.request({ ...requester, way: 'default' }));
  const requesterWithKey = await returning();
  add('request with a key', () =>
    twoFactor.request({
      ...requesterWithKey,
      way: 'default',
      idempotencyKey: `request-${requesterWithKey.subject}-and-more`,
    }),
  );
  const resent = await pending();
  add('resend', () => twoFactor.resend(resent.id));
  const sentTo = await returning();
  const { id: unsent } = await direct.confirmer.makeConfirmation({
    purpose: 'transfer',
    subject: sentTo.subject,
  });
  add('send', () => sender.send(null, sentTo.token, unsent));
  const reset = await pending();
  await direct.confirmer.confirm(reset.id, WRONG_CODE);
  add('LimitService.reset', () => limits.reset({ subject: reset.subject, token: reset.token }));
  add('LimitService.failures', () =>
    limits.failures({ subject: guessed.subject, token: guessed.token }).then(({ count }) => count),
  );

  const stranger = await returning();
  add(
    'POST request-confirmation',
    post('/2factor/request-confirmation', { purpose: 'sign-up', token: stranger.token }),
  );
  const guessedThere = await pending();
  const asUser = ({ subject }: { subject: string }): Record<string, string> => ({
    'x-user': subject,
  });
  add(
    'POST confirm with a wrong code',
    post('/2factor/confirm', { id: guessedThere.id, code: WRONG_CODE }, asUser(guessedThere)),
  );
  const rightThere = await pending();
  add(
    'POST confirm with the right code',
    post('/2factor/confirm', { id: rightThere.id, code: rightThere.code }, asUser(rightThere)),
  );
  const resentThere = await pending();
  add('POST resend', post('/2factor/resend', { id: resentThere.id }, asUser(resentThere)));
  const checkedThere = await pending();
  add('POST check', post('/2factor/check', { id: checkedThere.id }, asUser(checkedThere)));
  for (const path of ['used-in-guard', 'used-in-handler']) {
    const { id, subject } = await proof();
    add(
      `a route whose proof is ${path.replaceAll('-', ' ')}`,
      post(`/transfers/${path}`, {}, { 'x-user': subject, 'x-confirmation-id': id }),
    );
  }
  test.clock.advance(31);
  if (isAlone) return { calls, close: async () => undefined };
  // Its transaction has begun before the fault: that, and its end, are the application's own.
  const usedInside = await proof();
  const runner: QueryRunner = test.dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query(LOCK_TIMEOUTS[test.database.engine] ?? 'SELECT 1');
  add('use with manager', async () => {
    const { manager } = runner;
    try {
      return await confirmer.use(usedInside.id, {
        purpose: 'transfer',
        subject: usedInside.subject,
        manager,
      });
    } finally {
      // The connection stays taken: where the pool is used up, no other call may get it.
      await runner.rollbackTransaction().catch(() => undefined);
    }
  });
  return {
    calls,
    close: async () => {
      // Its server may be gone.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      await runner.release();
    },
  };
}

const MYSQL_LOCK_TIMEOUT = 'SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1';

/** How long a transaction of the application waits for a lock is for the application to say. */
const LOCK_TIMEOUTS: Readonly<Record<string, string>> = {
  postgres: "SET LOCAL lock_timeout = '1s'",
  mariadb: MYSQL_LOCK_TIMEOUT,
  mysql: MYSQL_LOCK_TIMEOUT,
};

async function wordOf(call: () => Promise<unknown>): Promise<string> {
  try {
    const answer = await call();
    return typeof answer === 'boolean' || typeof answer === 'string' ? String(answer) : 'done';
  } catch (error) {
    if (error instanceof TwoFactorUnavailableError && (error.retryAfterSeconds ?? 0) < 1) {
      return 'no retryAfterSeconds';
    }
    return error instanceof Error ? error.constructor.name : 'no error';
  }
}

/** A refusal over HTTP under the name of the error that it stands for, if all of it is as documented. */
function answerOf({ status, headers, body }: Answer): string {
  if (status === 200) return 'done';
  const { error, retryAfter } = body as { error?: string; retryAfter?: number };
  const isDocumented = status === 503 && retryAfter === Number(headers['retry-after']);
  return error === 'temporarily-unavailable' && isDocumented && retryAfter >= 1
    ? UNAVAILABLE
    : `${status} ${error}`;
}

/** What is charged, used and made. What a purge deletes, and rows of limits of which nothing is spent, count as none. */
export interface Charges {
  readonly limits: Readonly<Record<string, number>>;
  readonly confirmations: Readonly<
    Record<string, { readonly attempts: number; readonly sends: number; readonly ends: string }>
  >;
}

export async function chargesOf({ direct }: Pick<Applications, 'direct'>): Promise<Charges> {
  const limits: { id: string; amount: number | string }[] = await direct.dataSource.query(
    'SELECT id, amount FROM two_factor_limit WHERE amount > 0 ORDER BY id',
  );
  const confirmations: ConfirmationRow[] = await direct.dataSource.query(
    'SELECT id, attempts, sends, confirmed_at, used_at, cancelled_at FROM two_factor_confirmation WHERE expires_at > 1 ORDER BY id',
  );
  return {
    limits: Object.fromEntries(limits.map(({ id, amount }) => [id, Number(amount)])),
    confirmations: Object.fromEntries(
      confirmations.map(({ id, attempts, sends, ...ends }) => [
        id,
        { attempts, sends, ends: JSON.stringify(ends) },
      ]),
    ),
  };
}

interface ConfirmationRow {
  readonly id: string;
  readonly attempts: number;
  readonly sends: number;
}

/** What came of each call, by its name. All of them are made at once. */
export async function outcomesOf(calls: readonly PublicCall[]): Promise<Record<string, string>> {
  const outcomes = await Promise.all(
    calls.map(async ({ name, make }) => [name, await make()] as const),
  );
  return Object.fromEntries(outcomes);
}

/** The same names, each with this word. */
export function withWord(
  outcomes: Readonly<Record<string, string>>,
  word: string,
): Record<string, string> {
  return Object.fromEntries(Object.keys(outcomes).map((name) => [name, word]));
}

/** What the calls come to where all is well and it is no plain `done`. */
export const SERVED: Readonly<Record<string, string>> = {
  check: 'true',
  'confirm with a wrong code': 'false',
  'confirm with the right code': 'true',
  'POST confirm with a wrong code': '422 code-mismatch',
  'state.confirm': 'true',
  use: 'true',
  'use with a key': 'true',
  'use with manager': 'true',
  cancel: 'true',
};
