import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSourceOptions } from 'typeorm';

import { shortId } from '../../../lib/crypto/index.js';
import type { Backlog, FailedMessage } from './backlog.js';
import { fastClock, SPEED } from './fast-clock.js';
import { Provider, type ProviderBehaviour, type ProviderCall } from './provider.js';
import type { Order, Report } from './worker.js';

/** What a storm needs. */
export interface StormInput {
  /** The compiled worker. */
  readonly worker: string;
  readonly database: DataSourceOptions;
  readonly secret: string;
  readonly messages: number;
  /** The processes at the start. */
  readonly workers: number;
  /** Whether a process that was killed is replaced. Otherwise two are left at the end. */
  readonly replaces: boolean;
  /** The time over which the requests are spread. */
  readonly overSeconds: number;
  readonly behaviour: ProviderBehaviour;
  readonly backlog: (now: number, nextLookMs: number) => Promise<Backlog>;
  /** No request is made while so many messages wait: on a machine that is busy their codes would expire. @default no limit */
  readonly mostWaiting?: number;
  /** Environment variables of the workers. @default {} */
  readonly environment?: NodeJS.ProcessEnv;
  /** Called once, when half of the requests are answered. */
  readonly inTheMiddle?: () => Promise<void>;
  /** A storm that takes longer is broken. */
  readonly timeoutMs: number;
}

/** What came of it. */
export interface StormResult {
  readonly kills: number;
  /** Requests that were refused, by a limit or because the database did not answer, and repeated later. */
  readonly refusedRequests: number;
  readonly calls: number;
  readonly refusedCalls: number;
  readonly arrived: number;
  /** Messages that the provider refused three times. */
  readonly givenUp: number;
  /** Messages whose code had expired, or would have before the next call. */
  readonly expired: number;
  /** Messages that a limit refused until their codes expired. */
  readonly refusedByLimits: number;
  /** Tokens that got no message, and whose message is none of these, each with what the queue says about it. */
  readonly lost: readonly string[];
  /** Messages that arrived more than once. */
  readonly duplicates: number;
  /** Those of which a call was made again although the first caller got its answer and lived on. */
  readonly unexplained: readonly string[];
  readonly seconds: number;
}

/** A call whose answer a kill may have cut off, or whose row it kept from being deleted, was begun at most so long before. */
const CUT_OFF_MS = 5_000;
const KILL_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 500;
const TICK_MS = 50;
/** The longest time between two looks, also on a machine that is busy with other things. */
const NEXT_LOOK_MS = 2 * LOOK_EVERY_MS;
/** The requests that a worker is given at once. A kill must not cut off more of them than a server has connections. */
const MOST_IN_FLIGHT = 50;
const LEFT = 2;
/** As in lib/delivery/queue/retry.ts: a message is called at most so often, and not in the last minute of its code. */
const MAX_TRIES = 3;
const MIN_LEFT_MS = 60_000;
const LONGEST_PAUSE_MS = 30_000;

export interface StartedWorker {
  readonly child: ChildProcess;
  readonly order: (order: Order) => void;
}

export async function startQueueWorker(
  { worker, database, secret }: Pick<StormInput, 'database' | 'secret' | 'worker'>,
  provider: Provider,
  startedAt: number,
  environment: NodeJS.ProcessEnv = {},
  onReport: (report: Report) => void = () => undefined,
): Promise<StartedWorker> {
  const child = spawn(process.execPath, [worker], {
    env: {
      ...process.env,
      DATABASE: JSON.stringify({ ...database, poolSize: 5 }),
      SECRET: secret,
      PROVIDER: provider.url,
      STARTED_AT: String(startedAt),
      NODE_ENV: 'production',
      ...environment,
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit').then(([code]) => {
    throw new Error(`The worker did not start: it exited with ${String(code)}.`);
  });
  exit.catch(() => undefined);
  child.on('message', onReport);
  await Promise.race([once(child, 'message'), exit]);
  return { child, order: (order) => child.send(order) };
}

/**
 * Lets several processes request and send messages, and kills one of them with -9 every second until all requests are answered.
 * Then the others send what is left. A request whose process was killed is repeated with its idempotency key.
 */
export async function storm(input: StormInput): Promise<StormResult> {
  const begun = Date.now();
  const provider = await Provider.start(input.behaviour);
  const tokens = Array.from({ length: input.messages }, (_, index) => `user${index}@example.com`);
  const open = new Set(tokens);
  const idOf = new Map<string, string>();
  const killedAt = new Map<number, number>();
  const running: StartedWorker[] = [];
  const ordered = new Map<StartedWorker, Set<string>>();
  const waiting = [...tokens];
  /** Requests that were refused, and when their clients repeat them. */
  const later: { readonly token: string; readonly at: number }[] = [];
  let refusedRequests = 0;
  const dropped = new Set<string>();
  /** Messages whose codes expired while they were in the queue: the process that drops one may be killed before it reports that. */
  const overdue = new Set<string>();
  const clock = fastClock(begun);
  const look = async (): Promise<Backlog> => {
    const seen = await input.backlog(clock.now(), NEXT_LOOK_MS * SPEED);
    for (const id of seen.overdue) overdue.add(id);
    return seen;
  };
  let middle: Promise<void> | undefined;
  let isOver = false;
  let crash: string | undefined;

  const start = async (): Promise<void> => {
    const mine = new Set<string>();
    const { environment } = input;
    const worker = await startQueueWorker(input, provider, begun, environment, (report) => {
      if (report.is === 'expired') dropped.add(report.id);
      if (report.is === 'refused') {
        refusedRequests += 1;
        mine.delete(report.token);
        later.push({ token: report.token, at: Date.now() + (report.afterSeconds * 1_000) / SPEED });
      }
      if (report.is !== 'requested') return;
      open.delete(report.token);
      idOf.set(report.token, report.id);
      mine.delete(report.token);
    });
    ordered.set(worker, mine);
    running.push(worker);
    worker.child.once('exit', (code) => {
      if (code !== null) crash ??= `A worker has exited with ${code} of its own accord.`;
    });
    if (isOver) worker.child.kill('SIGKILL');
  };
  const kill = (): void => {
    // A process needs longer to start than a second where others use the machine. Without any nothing would be sent.
    if (running.length <= LEFT) return;
    const worker = running.shift()!;
    worker.child.kill('SIGKILL');
    killedAt.set(worker.child.pid!, Date.now());
    waiting.push(...[...ordered.get(worker)!].filter((token) => open.has(token)));
    ordered.delete(worker);
  };

  try {
    await Promise.all(Array.from({ length: input.workers }, start));
    const starts: Promise<void>[] = [];
    const perTick = Math.ceil((input.messages * TICK_MS) / (input.overSeconds * 1_000));
    let nextKill = Date.now() + KILL_EVERY_MS;
    let nextLook = Date.now();
    let isFull = false;
    while (open.size > 0) {
      if (crash !== undefined) throw new Error(crash);
      if (Date.now() - begun > input.timeoutMs) throw new Error(`${open.size} requests are open.`);
      const due = later.filter(({ at }) => at <= Date.now());
      for (const each of due) {
        later.splice(later.indexOf(each), 1);
        waiting.push(each.token);
      }
      const orders = isFull ? 0 : perTick;
      for (let count = 0; count < orders && waiting.length > 0; count += 1) {
        const worker = running[Math.floor(Math.random() * running.length)];
        if (worker === undefined || ordered.get(worker)!.size >= MOST_IN_FLIGHT) continue;
        const token = waiting.shift()!;
        ordered.get(worker)!.add(token);
        worker.order({ do: 'request', token });
      }
      await sleep(TICK_MS);
      if (open.size <= input.messages / 2) middle ??= input.inTheMiddle?.();
      if (Date.now() >= nextLook) {
        isFull = (await look()).waiting >= (input.mostWaiting ?? Number.POSITIVE_INFINITY);
        nextLook = Date.now() + LOOK_EVERY_MS;
      }
      if (Date.now() >= nextKill) {
        nextKill = Date.now() + KILL_EVERY_MS;
        const before = killedAt.size;
        kill();
        if (input.replaces && killedAt.size > before) starts.push(start());
      }
    }
    await Promise.all([...starts, middle]);
    const requestedMs = Date.now() - begun;
    for (;;) {
      const { waiting: left } = await look();
      if (left === 0) break;
      if (Date.now() - begun > input.timeoutMs) {
        throw new Error(
          `${left} messages wait, of ${provider.calls.length} calls and ${killedAt.size} kills; the requests took ${requestedMs} ms.`,
        );
      }
      await sleep(200);
    }
    const failed = new Map((await look()).failed.map((message) => [message.confirmation, message]));
    const calls = byToken(provider.calls);
    const fates = new Map(
      tokens.map((token) => {
        const id = idOf.get(token)!;
        const count = calls.get(token)?.length ?? 0;
        const hasExpired = dropped.has(shortId(id)) || (overdue.has(id) && !failed.has(id));
        return [token, hasExpired ? 'expired' : fateOf(failed.get(id), count)];
      }),
    );
    if (crash !== undefined) throw new Error(crash);
    const result = resultOf(fates, provider, killedAt, begun);
    const lost = result.lost.map((token) => {
      const row = failed.get(idOf.get(token)!);
      return `${token}: ${row === undefined ? 'no row' : JSON.stringify(row)}, ${calls.get(token)?.length ?? 0} calls`;
    });
    return { ...result, lost, refusedRequests };
  } finally {
    isOver = true;
    for (const { child } of running) child.kill('SIGKILL');
    await provider.close();
  }
}

function byToken(calls: readonly ProviderCall[]): Map<string, ProviderCall[]> {
  const groups = new Map<string, ProviderCall[]>();
  for (const call of calls) {
    const group = groups.get(call.token);
    if (group === undefined) groups.set(call.token, [call]);
    else group.push(call);
  }
  return groups;
}

type Fate = 'expired' | 'given up' | 'refused by limits' | 'unknown';

/** @param calls of a message that has not arrived. */
function fateOf(failed: FailedMessage | undefined, calls: number): Fate {
  if (failed === undefined) return 'unknown';
  const { reason, failedAt, expiresAt } = failed;
  if (reason === 'send-failed' && calls >= MAX_TRIES) return 'given up';
  if (reason === 'too-many-requests') return 'refused by limits';
  const pauseMs = reason === 'send-failed' ? LONGEST_PAUSE_MS : 0;
  const isLate = failedAt + pauseMs > expiresAt - MIN_LEFT_MS;
  return isLate && (reason === 'expired' || reason === 'send-failed') ? 'expired' : 'unknown';
}

/** @param fates of all messages, which count for those that have not arrived. */
function resultOf(
  fates: ReadonlyMap<string, Fate>,
  { calls }: Provider,
  killedAt: ReadonlyMap<number, number>,
  begun: number,
): Omit<StormResult, 'refusedRequests'> {
  const accepted = calls.filter(({ isAccepted }) => isAccepted);
  const arrivals = byToken(accepted);
  const twice = [...arrivals].filter(([, received]) => received.length > 1);
  const isExplained = ({ pid, at, isCutOff }: ProviderCall): boolean => {
    const killed = killedAt.get(pid);
    return isCutOff || (killed !== undefined && killed - at < CUT_OFF_MS);
  };
  const missing = (fate: Fate): string[] =>
    [...fates].filter(([token, its]) => its === fate && !arrivals.has(token)).map(([it]) => it);
  return {
    kills: killedAt.size,
    calls: calls.length,
    refusedCalls: calls.length - accepted.length,
    arrived: arrivals.size,
    givenUp: missing('given up').length,
    expired: missing('expired').length,
    refusedByLimits: missing('refused by limits').length,
    lost: missing('unknown'),
    duplicates: twice.length,
    // All but the last call of a message must have been cut off.
    unexplained: twice
      .filter(([, received]) => !received.slice(0, -1).every(isExplained))
      .map(([token]) => token),
    seconds: Math.round((Date.now() - begun) / 1_000),
  };
}
