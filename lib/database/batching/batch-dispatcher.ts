import type { Capabilities } from '../capabilities.js';
import { isBatchUnsupported, isRolledBack, translateDatabaseError } from '../database-error.js';
import type { ConnectionLease } from '../drivers/connection-lease.js';
import type { ExecutedStatement, StatementResult } from '../drivers/statement-result.js';
import { databaseTimeoutError, type Deadline } from '../execution/deadline.js';
import {
  NotCommittedError,
  PipelineUnsupportedError,
  UnbindableValuesError,
} from '../execution/execution-errors.js';
import type { OwnConnectionExecutor } from '../execution/own-connection-executor.js';
import type { SqlValues, Statement } from '../statement.js';
import type { BatchSpec, QueuedCall } from './batch-spec.js';
import { CoalescingQueue } from './coalescing-queue.js';
import {
  bindGroups,
  groupByStatement,
  resolveCalls,
  type StatementGroup,
} from './statement-groups.js';

/** How many single calls of one kind are in flight before further ones wait: two calls that wait lose what a batch saves. */
const MAX_SINGLE_IN_FLIGHT = 2;
/** Up to this many calls of one kind get a statement each, because a statement that takes arrays is slower to start. */
const MAX_SINGLE_STATEMENTS = 3;

/** Collects concurrent calls, executes each batch as one transaction, and resolves each call with its own row. */
export class BatchDispatcher {
  /** One queue for each `batchStatement`. */
  readonly #queues = new Map<Statement, CoalescingQueue<QueuedCall>>();
  /** Calls of all kinds that have a `singleStatement`, where connections support a pipelined batch. */
  readonly #sharedQueue: CoalescingQueue<QueuedCall>;

  constructor(
    private readonly executor: OwnConnectionExecutor,
    private readonly capabilities: Capabilities,
    private readonly maxBatchSize: number,
  ) {
    this.#sharedQueue = this.#newQueue(1);
  }

  get isEnabled(): boolean {
    return this.maxBatchSize > 1 && this.capabilities.batching;
  }

  enqueue(
    statement: Statement,
    values: () => SqlValues,
    deadline: Deadline,
    batch: BatchSpec,
  ): Promise<StatementResult> {
    return new Promise((resolve, reject) => {
      const { keys } = batch;
      this.#queueOf(batch).add({ keys, batch, statement, values, deadline, resolve, reject });
    });
  }

  #queueOf({ batchStatement, singleStatement }: BatchSpec): CoalescingQueue<QueuedCall> {
    const isShared = singleStatement !== undefined && this.capabilities.pipelinedBatch;
    if (isShared && this.executor.canBypassTypeOrm) return this.#sharedQueue;
    let queue = this.#queues.get(batchStatement);
    if (queue === undefined) {
      queue = this.#newQueue(MAX_SINGLE_IN_FLIGHT);
      this.#queues.set(batchStatement, queue);
    }
    return queue;
  }

  #newQueue(maxSingles: number): CoalescingQueue<QueuedCall> {
    return new CoalescingQueue(this.maxBatchSize, maxSingles, (calls) => this.#send(calls));
  }

  #send(calls: readonly QueuedCall[]): Promise<unknown> {
    if (calls.length === 1) return this.#runSingly(calls[0]!);
    return this.isEnabled ? this.#sendBatch(calls) : Promise.all(calls.map(this.#runSingly));
  }

  /** @param isFollowUp whether the calls were in a batch before, which returned no row of them. */
  async #sendBatch(calls: readonly QueuedCall[], isFollowUp = false): Promise<void> {
    let groups: readonly StatementGroup[] = [];
    const execute = (lease: ConnectionLease): Promise<ExecutedStatement> => {
      // The callers of the others have been refused while the batch waited for a connection. Nothing may happen for them.
      const members = calls.filter(({ deadline }) => !deadline.expired);
      const maxSingle = lease.supportsPipelinedBatch && !isFollowUp ? MAX_SINGLE_STATEMENTS : 0;
      groups = groupByStatement(members, maxSingle, isFollowUp);
      const statements = bindGroups(groups);
      if (statements.length > 1 && !lease.supportsPipelinedBatch) {
        throw new PipelineUnsupportedError();
      }
      return lease.execute(statements);
    };
    const deadline = latestDeadline(calls);
    try {
      const { rows } = await this.executor.runOnce(execute, deadline);
      const followUp = resolveCalls(groups, rows, this.#runSingly);
      // One statement for all of them. An attacker can cause many refused calls, and each must not take a connection.
      if (followUp.length > 1) void this.#sendBatch(followUp, true);
      else void followUp.map(this.#runSingly);
      const members = new Set(groups.flatMap((group) => group.calls));
      for (const call of calls) if (!members.has(call)) call.reject(databaseTimeoutError());
    } catch (error) {
      if (error instanceof PipelineUnsupportedError) await this.#sendByKind(calls);
      else this.#onBatchFailure(calls, deadline, error);
    }
  }

  /** Sends one batch for each kind of call, because the driver cannot send several statements at once. */
  async #sendByKind(calls: readonly QueuedCall[]): Promise<void> {
    // Only if the driver itself refused. Otherwise TypeORM's logging was switched on while the calls were queued.
    if (this.executor.canBypassTypeOrm) this.capabilities.disable('pipelinedBatch');
    await Promise.all(groupByStatement(calls, 0, false).map((group) => this.#send(group.calls)));
  }

  /**
   * One invalid call fails the whole batch. If the batch was certainly rolled back, each call is retried on its own.
   * Otherwise its effect is unknown, and a retry could consume an attempt twice.
   */
  #onBatchFailure(
    calls: readonly QueuedCall[],
    { timedOutOnServer }: Deadline,
    error: unknown,
  ): void {
    if (isBatchUnsupported(error)) {
      this.capabilities.disable(
        'batching',
        'The server does not take batched statements; going on without them. Set batching: false to say so from the start.',
      );
    }
    const hadNoEffect =
      error instanceof NotCommittedError ||
      error instanceof UnbindableValuesError ||
      isRolledBack(error) ||
      this.executor.mayFindAnotherServer(error);
    for (const call of calls) {
      call.deadline.timedOutOnServer ||= timedOutOnServer;
      if (hadNoEffect) void this.#runSingly(call);
      else call.reject(translateDatabaseError(error, false));
    }
  }

  readonly #runSingly = (call: QueuedCall): Promise<void> => {
    const { statement, values, deadline, resolve, reject } = call;
    return this.executor.run(statement, values, deadline).then(resolve, reject);
  };
}

/** The deadline that expires last. A shorter one would abort the batch of callers that still wait for it. */
export function latestDeadline(calls: readonly Pick<QueuedCall, 'deadline'>[]): Deadline {
  let { deadline } = calls[0]!;
  for (const call of calls) {
    if (call.deadline.startedAt > deadline.startedAt) ({ deadline } = call);
  }
  return deadline;
}
