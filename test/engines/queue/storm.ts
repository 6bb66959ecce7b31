import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSourceOptions } from 'typeorm';

import type { Backlog } from './backlog.js';
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
  readonly backlog: () => Promise<Backlog>;
  /** A storm that takes longer is broken. */
  readonly timeoutMs: number;
}

/** What came of it. */
export interface StormResult {
  readonly kills: number;
  readonly calls: number;
  readonly refusedCalls: number;
  readonly arrived: number;
  readonly givenUp: number;
  /** Tokens that got no message, and whose message was not given up. */
  readonly lost: readonly string[];
  /** Messages that arrived more than once. */
  readonly duplicates: number;
  /** Those of which no call was made by a process that was killed within seconds of it. */
  readonly unexplained: readonly string[];
  readonly seconds: number;
}

/** A call whose answer a kill may have cut off, or whose row it kept from being deleted, was begun at most so long before. */
const CUT_OFF_MS = 5_000;
const KILL_EVERY_MS = 1_000;
const TICK_MS = 50;
const LEFT = 2;

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
  let isOver = false;

  const start = async (): Promise<void> => {
    const mine = new Set<string>();
    const worker = await startQueueWorker(input, provider, begun, {}, (report) => {
      if (report.is !== 'requested') return;
      open.delete(report.token);
      idOf.set(report.token, report.id);
      mine.delete(report.token);
    });
    ordered.set(worker, mine);
    running.push(worker);
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
    while (open.size > 0) {
      if (Date.now() - begun > input.timeoutMs) throw new Error(`${open.size} requests are open.`);
      for (const token of waiting.splice(0, perTick)) {
        const worker = running[Math.floor(Math.random() * running.length)];
        if (worker === undefined) waiting.push(token);
        else {
          ordered.get(worker)!.add(token);
          worker.order({ do: 'request', token });
        }
      }
      await sleep(TICK_MS);
      if (Date.now() >= nextKill) {
        nextKill = Date.now() + KILL_EVERY_MS;
        const before = killedAt.size;
        kill();
        if (input.replaces && killedAt.size > before) starts.push(start());
      }
    }
    await Promise.all(starts);
    const requestedMs = Date.now() - begun;
    for (;;) {
      const { waiting: left } = await input.backlog();
      if (left === 0) break;
      if (Date.now() - begun > input.timeoutMs) {
        throw new Error(
          `${left} messages wait, of ${provider.calls.length} calls and ${killedAt.size} kills; the requests took ${requestedMs} ms.`,
        );
      }
      await sleep(200);
    }
    const failed = new Set((await input.backlog()).failed);
    const givenUp = tokens.filter((token) => failed.has(idOf.get(token)!));
    return resultOf(tokens, provider, killedAt, new Set(givenUp), begun);
  } finally {
    isOver = true;
    for (const { child } of running) child.kill('SIGKILL');
    await provider.close();
  }
}

function resultOf(
  tokens: readonly string[],
  { calls }: Provider,
  killedAt: ReadonlyMap<number, number>,
  givenUp: ReadonlySet<string>,
  begun: number,
): StormResult {
  const accepted = calls.filter(({ isAccepted }) => isAccepted);
  const arrivals = new Map<string, ProviderCall[]>();
  for (const call of accepted) {
    arrivals.set(call.token, [...(arrivals.get(call.token) ?? []), call]);
  }
  const twice = [...arrivals].filter(([, received]) => received.length > 1);
  const isExplained = ({ pid, at }: { readonly pid: number; readonly at: number }): boolean => {
    const killed = killedAt.get(pid);
    return killed !== undefined && killed - at < CUT_OFF_MS;
  };
  return {
    kills: killedAt.size,
    calls: calls.length,
    refusedCalls: calls.length - accepted.length,
    arrived: arrivals.size,
    givenUp: givenUp.size,
    lost: tokens.filter((token) => !arrivals.has(token) && !givenUp.has(token)),
    duplicates: twice.length,
    // All but the last call of a message must have been cut off.
    unexplained: twice
      .filter(([, received]) => !received.slice(0, -1).every(isExplained))
      .map(([token]) => token),
    seconds: Math.round((Date.now() - begun) / 1_000),
  };
}
