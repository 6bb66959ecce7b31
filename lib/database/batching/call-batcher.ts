import type { Capabilities } from '../capabilities.js';
import { isRefusedByServer, isUndone } from '../database-error.js';
import type { BoundStatement } from '../drivers/connection-lease.js';
import type { ConnectionLease } from '../drivers/connection-lease.js';
import {
  NO_ROWS_AFFECTED,
  type ExecutedStatement,
  type StatementResult,
} from '../drivers/statement-result.js';
import { databaseTimeoutError, type Deadline } from '../execution/deadline.js';
import { UnknownEffectError, UnbindableValuesError } from '../execution/execution-errors.js';
import type { OwnConnectionExecutor } from '../execution/own-connection-executor.js';
import { runInTransaction, type Progress } from '../execution/own-transaction.js';
import { Statement } from '../statement.js';
import {
  latestDeadline,
  MAX_SINGLE_IN_FLIGHT,
  settleFailedBatch,
  unexpiredCalls,
} from './batch-calls.js';
import { CoalescingQueue, type Batchable } from './coalescing-queue.js';

/**
 * Calls of one kind that one statement executes together, on an engine whose statements answer by a number: see
 * `LAST_INSERT_ID(expression)` of MySQL.
 */
export interface CallKind<Call extends Batchable, Answer> {
  /** How many calls one statement takes at most. */
  readonly maxSize: number;
  /** The number of calls that one statement takes when `count` wait. @default all of them */
  readonly fit?: ((count: number) => number) | undefined;
  /**
   * Whether only `insertId` says which calls had an effect. The statement is executed in a transaction then, which is committed
   * once that number is known: the server's answer lacks it where a trigger of the table has executed any instruction.
   * @default false
   */
  readonly isNumbered?: boolean;
  /** The statement for these calls, bound when it is issued, so that a time in its values is the time of the statement. */
  readonly bind: (calls: readonly Call[]) => BoundStatement;
  /**
   * The answers of the calls in their order; `null` for a call that had no effect and is executed on its own. `null` as a whole when
   * `insertId` does not say what the statement did.
   */
  readonly answers: (
    result: StatementResult,
    calls: readonly Call[],
  ) => readonly (Answer | null)[] | null;
  /** Executes one call on its own. */
  readonly single: (call: Call, deadline: Deadline) => Promise<Answer>;
}

interface QueuedCall<Call, Answer> extends Batchable {
  readonly call: Call;
  readonly deadline: Deadline;
  readonly resolve: (answer: Answer | Promise<Answer>) => void;
  readonly reject: (error: unknown) => void;
}

/** The number lives on in the session, and a proxy sends all statements of a transaction to the same one. */
const INSERT_ID = new Statement('mysql', 'SELECT LAST_INSERT_ID() + 0 AS id');

async function askInsertId(lease: ConnectionLease): Promise<number> {
  const { rows } = await lease.execute([{ statement: INSERT_ID, values: [] }]);
  return Number(rows[0]?.['id']);
}

/**
 * Collects concurrent calls of one kind, and executes them by one statement; a numbered kind puts BEGIN and COMMIT around it.
 */
export class CallBatcher<Call extends Batchable, Answer> {
  readonly #queue: CoalescingQueue<QueuedCall<Call, Answer>>;
  readonly #maxSize: number;

  constructor(
    private readonly executor: OwnConnectionExecutor,
    private readonly capabilities: Capabilities,
    maxBatchSize: number,
    private readonly kind: CallKind<Call, Answer>,
  ) {
    this.#maxSize = Math.min(maxBatchSize, kind.maxSize);
    this.#queue = new CoalescingQueue(
      this.#maxSize,
      MAX_SINGLE_IN_FLIGHT,
      (calls) => this.#send(calls),
      kind.fit,
    );
  }

  get #isEnabled(): boolean {
    return this.#maxSize > 1 && this.capabilities.batching;
  }

  run(call: Call, deadline: Deadline): Promise<Answer> {
    if (!this.#isEnabled) return this.kind.single(call, deadline);
    return new Promise((resolve, reject) => {
      this.#queue.add({ keys: call.keys, call, deadline, resolve, reject });
    });
  }

  #send(queued: readonly QueuedCall<Call, Answer>[]): Promise<unknown> {
    return queued.length > 1 && this.#isEnabled
      ? this.#sendBatch(queued)
      : Promise.all(queued.map((each) => this.#runSingly(each)));
  }

  async #sendBatch(queued: readonly QueuedCall<Call, Answer>[]): Promise<void> {
    const deadline = latestDeadline(queued);
    let members = queued;
    let answers: readonly (Answer | null)[] = [];
    let progress: Progress | null = null;
    const executeMembers = async (lease: ConnectionLease): Promise<ExecutedStatement> => {
      // Here, because callers may be refused while BEGIN is under way.
      members = unexpiredCalls(queued);
      if (members.length === 0) throw databaseTimeoutError();
      const calls = members.map(({ call }) => call);
      const bound = this.#bind(calls);
      for (const { deadline: each } of members) each.noteCommitIssued();
      const result = await lease.execute([bound]);
      const given =
        this.kind.answers(result, calls) ??
        this.kind.answers({ ...result, insertId: await askInsertId(lease) }, calls);
      if (given === null) throw new UnknownEffectError();
      answers = given;
      return result;
    };
    const execute = async (lease: ConnectionLease): Promise<ExecutedStatement> => {
      // Without a transaction of its own the statement may have run in one that an application left open.
      if (this.kind.isNumbered !== true) return executeMembers(lease);
      await runInTransaction(
        lease,
        deadline,
        () => executeMembers(lease),
        (reached) => {
          progress = reached;
        },
      );
      return { ...NO_ROWS_AFFECTED, isUncommitted: false };
    };
    try {
      await this.executor.runOnce(execute, deadline);
      for (const [index, member] of members.entries()) this.#settle(member, answers[index]!);
      for (const each of queued) if (!members.includes(each)) each.reject(databaseTimeoutError());
    } catch (error) {
      settleFailedBatch(
        {
          calls: queued,
          deadline,
          error,
          isUndone: this.#isUndone(error, progress),
          runSingly: (each) => this.#runSingly(each),
        },
        this.executor,
        this.capabilities,
      );
    }
  }

  /** @param progress how far the transaction of the batch has come; `null` for a statement that is its own transaction. */
  #isUndone(error: unknown, progress: Progress | null): boolean {
    // BEGIN itself failed, so that nothing was executed: each call tries another connection.
    if (progress === 'beginning') return true;
    // What the server refuses before COMMIT was sent is rolled back, whatever the refusal is.
    return isUndone(error) || (progress === 'working' && isRefusedByServer(error));
  }

  #bind(calls: readonly Call[]): BoundStatement {
    try {
      return this.kind.bind(calls);
    } catch (cause) {
      throw new UnbindableValuesError('', { cause });
    }
  }

  #settle(member: QueuedCall<Call, Answer>, answer: Answer | null): void {
    if (answer === null) void this.#runSingly(member);
    else member.resolve(answer);
  }

  #runSingly({ call, deadline, resolve, reject }: QueuedCall<Call, Answer>): Promise<void> {
    return this.kind.single(call, deadline).then(resolve, reject);
  }
}
