import { WRONG_CODE } from '../../support/canaries.js';
import {
  TwoFactorConflictError,
  TwoFactorError,
  TwoFactorUnavailableError,
} from 'nestjs-two-factor';
import type { EntityManager } from 'typeorm';

import { openApplication, type RaceApplication } from './application.js';
import { NaiveTwin } from './naive-twin.js';
import type {
  Answer,
  Call,
  Chain,
  FromWorker,
  Job,
  Opening,
  Outcome,
  ToWorker,
} from './protocol.js';

/** What engines say to a statement or the COMMIT of a caller whose transaction lost a race. */
const LOST = new Set<unknown>(['40001', '40P01', 1213, 1205, 1020, 'SQLITE_BUSY_SNAPSHOT']);

interface Member {
  readonly application: RaceApplication;
  readonly twin: NaiveTwin;
  /** The end of the last transaction that this application was asked for. */
  turn: Promise<unknown>;
}

const number = Number(process.argv[2]);
let opening: Opening | undefined;
let members: Member[] = [];
let go: () => Promise<readonly Answer[]> = async () => [];

async function open(next: Opening): Promise<void> {
  await close();
  opening = next;
  for (let count = 0; count < next.applications; count += 1) {
    const application = await openApplication(next.dataSource, { limits: next.limits });
    members.push({ application, twin: new NaiveTwin(application), turn: Promise.resolve() });
    for (const sql of next.session) await application.dataSource.query(sql);
  }
  await prove(next);
}

async function close(): Promise<void> {
  if (opening) await prove(opening);
  opening = undefined;
  const ending = members;
  members = [];
  for (const { application } of ending) await application.context.close();
}

/** @throws Error when a connection is not what its cell is called. */
async function prove({ proof }: Opening): Promise<void> {
  for (const { application } of members) {
    const rows: Record<string, unknown>[] = await application.dataSource.query(proof.sql);
    const answer = Object.values(rows[0] ?? {}).join(' ');
    if (answer !== proof.answer) {
      throw new Error(`A connection runs at "${answer}" instead of "${proof.answer}".`);
    }
  }
}

function prepare({ chains, codes, aheadMs }: Job): void {
  for (const { application } of members) application.clock.setAhead(aheadMs);
  go = async () => (await Promise.all(chains.map((chain) => follow(chain, codes)))).flat();
}

async function follow(
  { application, calls }: Chain,
  codes: Readonly<Record<string, string>>,
): Promise<Answer[]> {
  const member = members[application]!;
  const answers: Answer[] = [];
  for (const call of calls) {
    for (let trips = call.after ?? 0; trips > 0; trips -= 1) {
      await member.application.dataSource.query('SELECT 1');
    }
    const code = call.isRight ? codes[call.id]! : WRONG_CODE;
    const startedAt = microseconds();
    const outcome = await outcomeOf(member, call, code);
    answers.push({ call, process: number, startedAt, endedAt: microseconds(), outcome });
  }
  return answers;
}

/** `performance.now()` starts anew in each process; this clock does not. */
function microseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

async function outcomeOf(member: Member, call: Call, code: string): Promise<Outcome> {
  try {
    return await (call.isNaive ? askTwin(member, call) : ask(member, call, code));
  } catch (error) {
    if (error instanceof TwoFactorConflictError) return { kind: 'conflict' };
    if (error instanceof TwoFactorUnavailableError || !(error instanceof TwoFactorError)) {
      const driver = driverErrorOf(error);
      // The caller's own statement or COMMIT; what the package says itself is never a driver's error.
      if (error !== driver && (LOST.has(driver.code) || LOST.has(driver.errno))) {
        return { kind: 'conflict' };
      }
      return { kind: 'error', what: described(error).replaceAll(code, '***') };
    }
    return { kind: 'refused', code: error.code };
  }
}

async function ask(member: Member, call: Call, code: string): Promise<Outcome> {
  const { confirmer, twoFactor, clock } = member.application;
  const { id } = call;
  switch (call.verb) {
    case 'use':
      return { kind: 'done', done: await confirmer.use(id) };
    case 'use-with-effect':
      return { kind: 'done', done: await useWithEffect(member, id) };
    case 'confirm': {
      const [state, done] = await confirmer.confirm(id, code);
      if (state === null) return { kind: 'done', done };
      return { kind: 'done', done, left: state.attemptsLeft, status: state.status };
    }
    case 'resend':
      await twoFactor.resend(id);
      return { kind: 'done', done: true };
    case 'cancel':
      return { kind: 'done', done: await confirmer.cancel(id) };
    case 'purge': {
      const count = await confirmer.purge({ olderThan: new Date(clock.now()) });
      return { kind: 'done', done: count > 0, count };
    }
    case 'request':
      await twoFactor.request({ token: id });
      return { kind: 'done', done: true };
    default:
      return call.verb satisfies never;
  }
}

async function askTwin(member: Member, { verb, id, isRight, budget }: Call): Promise<Outcome> {
  const { twin } = member;
  switch (verb) {
    case 'use':
      return { kind: 'done', done: await twin.use(id) };
    case 'use-with-effect':
      return {
        kind: 'done',
        done: await twin.useWithEffect(id, (work) => transaction(member, work)),
      };
    case 'confirm': {
      const confirmed =
        budget === undefined ? twin.confirm(id, isRight === true) : twin.failWithin(budget);
      return { kind: 'done', done: await confirmed };
    }
    case 'resend':
      return { kind: 'done', done: await twin.resend(id) };
    case 'cancel':
      return { kind: 'done', done: await twin.cancel(id) };
    case 'purge': {
      const count = await twin.purge();
      return { kind: 'done', done: count > 0, count };
    }
    case 'request':
      return { kind: 'done', done: await twin.request(id) };
    default:
      return verb satisfies never;
  }
}

async function useWithEffect(member: Member, id: string): Promise<boolean> {
  return transaction(member, async (manager) => {
    // The snapshot is older than the race then, which is what makes callers lose. On SQLite the noise writer alone would
    // make every one of them lose.
    if (!isSqlite(member)) await manager.query('SELECT balance FROM race_account');
    if (!(await member.application.confirmer.use(id, { manager }))) return false;
    await manager.query(`INSERT INTO race_effect (confirmation) VALUES ('${id}')`);
    return true;
  });
}

/** TypeORM's SQLite drivers have one connection for all: transactions that overlap would be one. */
async function transaction<T>(
  member: Member,
  work: (manager: EntityManager) => Promise<T>,
): Promise<T> {
  const run = (): Promise<T> => member.application.dataSource.transaction(work);
  if (!isSqlite(member)) return run();
  const turn = member.turn.then(run);
  member.turn = turn.catch(() => undefined);
  return turn;
}

function isSqlite({ application }: Member): boolean {
  return application.dataSource.options.type === 'better-sqlite3';
}

function driverErrorOf(error: unknown): { code?: unknown; errno?: unknown; message?: unknown } {
  return (error as { driverError?: Error }).driverError ?? (error as Error);
}

function described(error: unknown): string {
  const { code, message } = driverErrorOf(error);
  const { name, cause } = error as { name?: string; cause?: { code?: unknown; message?: string } };
  const because = cause ? ` (${String(cause.code)}: ${cause.message})` : '';
  return `${name} ${String(code)}: ${String(message)}${because}`.slice(0, 300);
}

async function handle(message: ToWorker): Promise<FromWorker> {
  switch (message.type) {
    case 'open':
      await open(message.opening);
      return { type: 'opened' };
    case 'prepare':
      prepare(message.job);
      return { type: 'ready' };
    case 'go': {
      const before = comparisons();
      const answers = await go();
      return { type: 'done', answers, comparisons: comparisons() - before };
    }
    case 'close':
      await close();
      return { type: 'closed' };
    default:
      return message satisfies never;
  }
}

function comparisons(): number {
  return members.reduce((sum, { twin }) => sum + twin.comparisons, 0);
}

process.on('message', (message: ToWorker) => {
  handle(message).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ type: 'failed', what: described(error) }),
  );
});
// The process that started this one is gone.
process.once('disconnect', () => process.exit(0));
