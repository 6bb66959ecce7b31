import type { Capabilities } from '../capabilities.js';
import { isBatchUnsupported, isUndone, translateDatabaseError } from '../database-error.js';
import type { BoundStatement } from '../drivers/connection-lease.js';
import type { ConnectionLease } from '../drivers/connection-lease.js';
import {
  NO_ROWS_AFFECTED,
  type ExecutedStatement,
  type StatementResult,
} from '../drivers/statement-result.js';
import { databaseTimeoutError, type Deadline } from '../execution/deadline.js';
import {
  NotCommittedError,
  UnansweredError,
  UnbindableValuesError,
} from '../execution/execution-errors.js';
import type { OwnConnectionExecutor } from '../execution/own-connection-executor.js';
import { bracket } from '../execution/own-transaction.js';
import { Statement } from '../statement.js';
import { CoalescingQueue, type Batchable } from './coalescing-queue.js';
import { latestDeadline } from './batch-dispatcher.js';

/** How many single calls of one kind are in flight before further ones wait. */
const MAX_SINGLE_IN_FLIGHT = 2;

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

/** Collects concurrent calls of one kind, and executes them by one statement, which is its own transaction. */
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
    let isBeginning = false;
    const executeMembers = async (lease: ConnectionLease): Promise<void> => {
      isBeginning = false;
      const calls = members.map(({ call }) => call);
      const result = await lease.execute([this.#bind(calls)]);
      const given =
        this.kind.answers(result, calls) ??
        this.kind.answers({ ...result, insertId: await askInsertId(lease) }, calls);
      if (given === null) throw new UnansweredError();
      answers = given;
    };
    const execute = async (lease: ConnectionLease): Promise<ExecutedStatement> => {
      // The callers of the others have been refused while the batch waited for a connection. Nothing may happen for them.
      members = queued.filter((each) => !each.deadline.expired);
      isBeginning = this.kind.isNumbered === true;
      if (isBeginning) await bracket(lease, deadline, () => executeMembers(lease));
      else await executeMembers(lease);
      return { ...NO_ROWS_AFFECTED, isUncommitted: false };
    };
    try {
      await this.executor.runOnce(execute, deadline);
      for (const [index, member] of members.entries()) this.#settle(member, answers[index]!);
      for (const each of queued) if (!members.includes(each)) each.reject(databaseTimeoutError());
    } catch (error) {
      this.#onFailure(queued, deadline, error, isBeginning);
    }
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

  /**
   * One call can fail the whole statement, and so does a lost race. Where the statement certainly had no effect, each call is
   * executed on its own. Otherwise a repetition could count an attempt twice.
   */
  #onFailure(
    queued: readonly QueuedCall<Call, Answer>[],
    { timedOutOnServer }: Deadline,
    error: unknown,
    isBeginning: boolean,
  ): void {
    if (isBatchUnsupported(error)) {
      this.capabilities.disable(
        'batching',
        'The server does not take batched statements; going on without them. Set batching: false to say so from the start.',
      );
    }
    const isUnanswered = error instanceof UnansweredError;
    if (isUnanswered) {
      this.capabilities.disable(
        'batching',
        'The server does not say what batched statements did; going on without them. Set batching: false to say so from the start.',
      );
    }
    const hadNoEffect =
      isUnanswered ||
      // On a connection that the server has closed: its end costs no call of the batch.
      isBeginning ||
      error instanceof NotCommittedError ||
      error instanceof UnbindableValuesError ||
      isUndone(error) ||
      this.executor.mayFindAnotherServer(error);
    for (const each of queued) {
      each.deadline.timedOutOnServer ||= timedOutOnServer;
      if (hadNoEffect) void this.#runSingly(each);
      else each.reject(translateDatabaseError(error, false));
    }
  }

  #runSingly({ call, deadline, resolve, reject }: QueuedCall<Call, Answer>): Promise<void> {
    return this.kind.single(call, deadline).then(resolve, reject);
  }
}
