import type { Capabilities } from '../capabilities.js';
import { isRolledBack } from '../database-error.js';
import type { ConnectionLease } from '../drivers/connection-lease.js';
import type { ExecutedStatement, StatementResult } from '../drivers/statement-result.js';
import { databaseTimeoutError, type Deadline } from '../execution/deadline.js';
import { PipelineUnsupportedError } from '../execution/execution-errors.js';
import type { OwnConnectionExecutor } from '../execution/own-connection-executor.js';
import type { SqlValues, Statement } from '../statement.js';
import {
  latestDeadline,
  MAX_SINGLE_IN_FLIGHT,
  settleFailedBatch,
  unexpiredCalls,
} from './batch-calls.js';
import type { BatchSpec, QueuedCall } from './batch-spec.js';
import { CoalescingQueue } from './coalescing-queue.js';
import { bindGroups, groupByStatement, resolveCalls, type CallGroup } from './statement-groups.js';

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
    let groups: readonly CallGroup[] = [];
    const execute = (lease: ConnectionLease): Promise<ExecutedStatement> => {
      const members = unexpiredCalls(calls);
      const maxSingle = lease.supportsPipelinedBatch && !isFollowUp ? MAX_SINGLE_STATEMENTS : 0;
      groups = groupByStatement(members, maxSingle, isFollowUp);
      const statements = bindGroups(groups);
      if (statements.length > 1 && !lease.supportsPipelinedBatch) {
        throw new PipelineUnsupportedError();
      }
      for (const { deadline: each } of members) each.noteCommitIssued();
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
      if (error instanceof PipelineUnsupportedError) {
        await this.#sendByKind(calls);
        return;
      }
      const isUndone = isRolledBack(error);
      const failed = { calls, deadline, error, isUndone, runSingly: this.#runSingly };
      settleFailedBatch(failed, this.executor, this.capabilities);
    }
  }

  /** Sends one batch for each kind of call, because the driver cannot send several statements at once. */
  async #sendByKind(calls: readonly QueuedCall[]): Promise<void> {
    // Only if the driver itself refused. Otherwise TypeORM's logging was switched on while the calls were queued.
    if (this.executor.canBypassTypeOrm) this.capabilities.disable('pipelinedBatch');
    await Promise.all(groupByStatement(calls, 0, false).map((group) => this.#send(group.calls)));
  }

  readonly #runSingly = (call: QueuedCall): Promise<void> => {
    const { statement, values, deadline, resolve, reject } = call;
    return this.executor.run(statement, values, deadline).then(resolve, reject);
  };
}
