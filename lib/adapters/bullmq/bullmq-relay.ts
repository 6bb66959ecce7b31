import { setTimeout as sleep } from 'node:timers/promises';

import {
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Job, JobsOptions, Queue, Worker } from 'bullmq';

import { isId } from '../../crypto/index.js';
import type {
  ClassifiedKey,
  DeliveryKey,
  DeliveryRelay,
  DeliveryService,
} from '../../delivery/index.js';
import { messageOf, TwoFactorConfigurationError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { withTimeout } from '../../with-timeout.js';
import type { CheckedRate } from './checked-options.js';
import { limiterOf, Pace } from './rate.js';

const JOB_NAME = 'deliver';
/** The most keys that Redis has not confirmed yet. Further ones wait for a round of the worker, so that an outage fills no memory. */
const MAX_PENDING_ADDS = 1_000;
/** A round of the worker waits at most this long for Redis. */
const ROUND_TIMEOUT_MS = 2_000;
/**
 * A round adds no keys of a class of which this many jobs wait. The workers have enough to do, most due messages are among these
 * jobs, and a later round adds the others.
 */
const ENOUGH_WAITING = 512;
/**
 * The priority of jobs of the class `open`. Jobs without a priority, those of the class `bound`, go before all that have one:
 * strangers choose the recipients of the class `open`, and may cause any number of them.
 */
const OPEN_CLASS_PRIORITY = 1;
/**
 * The id of the job of the class `open` that waits among the jobs without a priority. BullMQ ignores a second job with this id. So a
 * `bound` message waits for one `open` message at most, and `open` messages are still sent while `bound` ones use up a provider's rate.
 */
const PROMOTED_OPEN_JOB_ID = 'turn-of-open';
/**
 * A job waits for a free slot of its class for this long, and is then left to a round of the worker. Longer waits would keep the
 * slot of the other class from its jobs, of which BullMQ cannot ask for one.
 */
const SLOT_WAIT_MS = 200;
/** Connections to a Redis that does not answer are closed by force after this. */
const CLOSE_TIMEOUT_MS = 2_000;

/** What the relay needs. */
export interface BullMqRelayInput {
  readonly deliveries: DeliveryService;
  readonly backends: SenderBackends;
  readonly options: Pick<ResolvedOptions, 'delivery' | 'sendTimeoutMs'>;
  /** The queue of each sender. */
  readonly queues: ReadonlyMap<string, Queue>;
  readonly rates: ReadonlyMap<string, CheckedRate | null>;
  readonly workerClass: typeof Worker;
}

/**
 * Passes the keys of messages to workers through BullMQ. A job holds the key of a message alone. Redis is never waited for by a
 * request: a key that it does not take is found by a round of the worker, like one that Redis has lost.
 *
 * Each sender has a queue, because BullMQ counts a rate for each queue: in one queue for all a slow text message provider would hold
 * up the mails.
 */
export class BullMqRelay
  implements DeliveryRelay, OnApplicationBootstrap, BeforeApplicationShutdown
{
  readonly ways: ReadonlySet<string>;
  readonly #logger = new Logger('TwoFactorBullMq');
  readonly #paces = new Map<string, Pace>();
  /** Senders for which Redis has not answered the commands of a round yet. */
  readonly #waysAwaitingRedis = new Set<string>();
  #workers: readonly Worker[] = [];
  #pendingAdds = 0;
  #isDown = false;

  constructor(private readonly input: BullMqRelayInput) {
    this.ways = new Set(input.queues.keys());
    for (const [way, rate] of input.rates) {
      if (rate !== null) this.#paces.set(way, new Pace((rate.perSeconds * 1_000) / rate.max));
    }
    for (const queue of input.queues.values()) {
      queue.on('error', (error) => this.#redisFailed(error));
    }
  }

  /** @throws TwoFactorConfigurationError for options of the modules that do not fit together. */
  onApplicationBootstrap(): void {
    const { deliveries } = this.input;
    this.#assertConfigured();
    deliveries.relayTo(this);
    const { concurrency } = deliveries;
    if (concurrency === null) return;
    this.#workers = [...this.input.queues].map(([way, queue]) =>
      this.#openWorker(way, queue, concurrency),
    );
  }

  /**
   * Takes no more jobs, and waits for the messages that are being sent. Connections to a Redis that does not answer are cut, because
   * they would wait for it for ever; `DeliveryWorker` waits for the messages then.
   */
  async beforeApplicationShutdown(): Promise<void> {
    const [anyQueue] = this.input.queues.values();
    const answers = await withTimeout(CLOSE_TIMEOUT_MS, () => anyQueue!.getWaitingCount()).then(
      () => true,
      () => false,
    );
    const longestMs = this.input.options.sendTimeoutMs + CLOSE_TIMEOUT_MS;
    await Promise.all(
      this.#workers.map((worker) =>
        answers ? closeWithin(longestMs, worker) : worker.close(true).catch(() => undefined),
      ),
    );
    if (answers) return;
    await Promise.all([...this.input.queues.values()].map((queue) => closeConnection(queue)));
  }

  enqueue(way: string, key: ClassifiedKey): void {
    if (this.#pendingAdds >= MAX_PENDING_ADDS) return;
    this.#pendingAdds += 1;
    void this.#add(way, key).finally(() => {
      this.#pendingAdds -= 1;
    });
  }

  async enqueueDue(way: string, keys: readonly ClassifiedKey[]): Promise<boolean> {
    // The commands of an earlier round wait in the client, and would be executed once more when Redis is back.
    if (this.#waysAwaitingRedis.has(way)) return false;
    this.#waysAwaitingRedis.add(way);
    const asked = this.#addMissing(this.input.queues.get(way)!, keys);
    asked.catch(() => undefined).finally(() => this.#waysAwaitingRedis.delete(way));
    try {
      await withTimeout(ROUND_TIMEOUT_MS, () => asked);
      this.#redisAnswered();
      return true;
    } catch (error) {
      this.#redisFailed(error);
      return false;
    }
  }

  async pace(way: string, signal: AbortSignal): Promise<boolean> {
    const pace = this.#paces.get(way);
    return pace === undefined ? !signal.aborted : pace.next(signal);
  }

  #assertConfigured(): void {
    const { backends, options, queues } = this.input;
    if (options.delivery !== 'queued') {
      throw new TwoFactorConfigurationError(
        "TwoFactorBullMqModule wakes workers for queued messages, and delivery is 'inline'. Set delivery: 'queued', or leave the module out.",
      );
    }
    for (const [way, { opts }] of queues) {
      if (!backends.has(way)) {
        throw new TwoFactorConfigurationError(
          `TwoFactorBullMqModule names the sender ${way}, which does not exist. Senders: ${[...backends.keys()].join(', ')}.`,
        );
      }
      const isCluster = (opts.connection as { isCluster?: unknown } | undefined)?.isCluster;
      const { prefix = '' } = opts;
      if (isCluster === true && !hasHashTag(prefix)) {
        throw new TwoFactorConfigurationError(
          "Redis Cluster keeps the keys of a queue together only by a hash tag. Set prefix: '{bull}' in BullModule.forRoot.",
        );
      }
    }
  }

  #openWorker(way: string, { name, opts }: Queue, concurrency: number): Worker {
    const rate = this.input.rates.get(way) ?? null;
    // With a rate a job must begin when BullMQ counts it; a wait for a slot would shift it into the next span.
    const slotWaitMs = rate === null ? SLOT_WAIT_MS : 0;
    const worker = new this.input.workerClass(name, (job) => this.#deliver(job, slotWaitMs), {
      connection: opts.connection,
      ...(opts.prefix === undefined ? {} : { prefix: opts.prefix }),
      // One more than the messages of one class that are sent at once, so that a job of the other class is fetched beside them.
      concurrency: concurrency + 1,
      ...(rate === null ? {} : { limiter: limiterOf(rate) }),
    });
    worker.on('error', (error) => this.#redisFailed(error));
    return worker;
  }

  /**
   * Never rejects: a job that fails is of no use, because the row of its message is found by a round. A job that another program has
   * written costs no statement and no line of the log.
   */
  async #deliver({ data }: Job, slotWaitMs: number): Promise<void> {
    try {
      const { confirmation, number } = (data ?? {}) as Partial<DeliveryKey>;
      if (!isId(confirmation) || !isMessageNumber(number)) return;
      const hadSlot = await this.input.deliveries.deliver({ confirmation, number }, slotWaitMs);
      // All slots of the job's class are taken. Without a pause this worker would fetch one job after the other and send none.
      if (!hadSlot) await sleep(SLOT_WAIT_MS - slotWaitMs);
    } catch (error) {
      this.#logger.warn(`A queued message waits for the next round: ${messageOf(error)}`);
    }
  }

  async #add(way: string, key: ClassifiedKey): Promise<void> {
    try {
      await this.input.queues.get(way)!.add(JOB_NAME, dataOf(key), jobOptions(key));
      this.#redisAnswered();
    } catch (error) {
      this.#redisFailed(error);
    }
  }

  async #addMissing(queue: Queue, keys: readonly ClassifiedKey[]): Promise<void> {
    const { waiting = 0, prioritized = 0 } = await queue.getJobCounts('waiting', 'prioritized');
    const waitingOf = { bound: waiting, open: prioritized };
    const missing = keys.filter(({ limitClass }) => waitingOf[limitClass] < ENOUGH_WAITING);
    const jobs = missing.map((key) => ({
      name: JOB_NAME,
      data: dataOf(key),
      opts: jobOptions(key),
    }));
    // The oldest open message gets a second job among the bound ones; whichever job runs first sends it, and the other finds nothing
    // to do.
    const oldest = keys.find(({ limitClass }) => limitClass === 'open');
    if (oldest !== undefined && waiting > 0) {
      jobs.push({
        name: JOB_NAME,
        data: dataOf(oldest),
        opts: { ...ONCE, jobId: PROMOTED_OPEN_JOB_ID },
      });
    }
    if (jobs.length > 0) await queue.addBulk(jobs);
  }

  /** Logged once for each outage: every request and every attempt to connect would repeat it. */
  #redisFailed(error: unknown): void {
    if (this.#isDown) return;
    this.#isDown = true;
    this.#logger.warn(
      `Redis takes no keys of messages, so that the rounds of the worker send them: ${messageOf(error)}`,
    );
  }

  #redisAnswered(): void {
    if (!this.#isDown) return;
    this.#isDown = false;
    this.#logger.log('Redis takes keys of messages again.');
  }
}

function dataOf({ confirmation, number }: DeliveryKey): DeliveryKey {
  return { confirmation, number };
}

/**
 * A finished job is removed, also because BullMQ would ignore the next try of its message otherwise.
 */
const ONCE = { attempts: 1, removeOnComplete: true, removeOnFail: true } as const;

/** The same id for the same message, so that a key that is passed on twice is one job. */
function jobOptions({ confirmation, number, limitClass }: ClassifiedKey): JobsOptions {
  const jobId = `${confirmation}-${number}`;
  return { ...ONCE, jobId, ...(limitClass === 'open' && { priority: OPEN_CLASS_PRIORITY }) };
}

/** Whether the value is the number of a message of its confirmation: from 1, and small enough for a column of 32 bits with a sign. */
function isMessageNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31;
}

function hasHashTag(prefix: string): boolean {
  const opens = prefix.indexOf('{');
  return opens !== -1 && prefix.indexOf('}', opens) > opens + 1;
}

/** Closes a worker after its jobs, or immediately when Redis does not answer within the time. */
async function closeWithin(ms: number, worker: Worker): Promise<void> {
  try {
    await withTimeout(ms, () => worker.close());
  } catch {
    await closeConnection(worker);
  }
}

/**
 * Ends a connection without a word to Redis, for which `close` would wait until it answers. BullMQ 6 reaches the connection through
 * its backend.
 */
async function closeConnection(user: Queue | Worker): Promise<void> {
  const connection: unknown =
    typeof user.getBackend === 'function' ? user.getBackend() : Reflect.get(user, 'connection');
  if (!isClosable(connection)) return;
  await withTimeout(CLOSE_TIMEOUT_MS, () => connection.close(true)).catch(() => undefined);
}

function isClosable(value: unknown): value is { close(force: boolean): Promise<void> } {
  return typeof (value as { close?: unknown } | null | undefined)?.close === 'function';
}
