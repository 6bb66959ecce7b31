import type { Capabilities } from '../capabilities.js';
import { isBatchUnsupported, translateDatabaseError } from '../database-error.js';
import type { Deadline } from '../execution/deadline.js';
import {
  NotCommittedError,
  UnknownEffectError,
  UnbindableValuesError,
} from '../execution/execution-errors.js';
import type { OwnConnectionExecutor } from '../execution/own-connection-executor.js';

/** How many single calls of one kind are in flight before further ones wait. For two calls the wait costs as much as the batch saves. */
export const MAX_SINGLE_IN_FLIGHT = 2;

/** What all calls have that wait for a batch. */
interface WaitingCall {
  readonly deadline: Deadline;
  readonly reject: (error: unknown) => void;
}

/** The deadline that expires last. A shorter one would abort the batch of callers that still wait for it. */
export function latestDeadline(calls: readonly Pick<WaitingCall, 'deadline'>[]): Deadline {
  let { deadline } = calls[0]!;
  for (const call of calls) {
    if (call.deadline.startedAt > deadline.startedAt) ({ deadline } = call);
  }
  return deadline;
}

/**
 * The calls whose callers still wait. The others have been refused while the batch waited for a connection: nothing may happen for
 * them.
 */
export function unexpiredCalls<Call extends Pick<WaitingCall, 'deadline'>>(
  calls: readonly Call[],
): readonly Call[] {
  return calls.filter(({ deadline }) => !deadline.expired);
}

/** A batch that failed. */
export interface FailedBatch<Call extends WaitingCall> {
  readonly calls: readonly Call[];
  readonly deadline: Deadline;
  readonly error: unknown;
  /** Whether the server, or the progress of the transaction, shows that the statement had no effect. */
  readonly isUndone: boolean;
  readonly runSingly: (call: Call) => Promise<void>;
}

/**
 * One call can fail the whole batch, and so does a lost race. Where the batch certainly had no effect, each call is executed on its
 * own. Otherwise its effect is unknown, and a repetition could consume an attempt twice.
 */
export function settleFailedBatch<Call extends WaitingCall>(
  { calls, deadline, error, isUndone, runSingly }: FailedBatch<Call>,
  executor: OwnConnectionExecutor,
  capabilities: Capabilities,
): void {
  const hasUnknownEffect = error instanceof UnknownEffectError;
  if (hasUnknownEffect || isBatchUnsupported(error)) {
    const reason = hasUnknownEffect
      ? 'does not say what batched statements did'
      : 'does not take batched statements';
    capabilities.disable(
      'batching',
      `The server ${reason}; going on without them. Set batching: false to say so from the start.`,
    );
  }
  const hadNoEffect =
    isUndone ||
    hasUnknownEffect ||
    error instanceof NotCommittedError ||
    error instanceof UnbindableValuesError ||
    executor.mayFindAnotherServer(error);
  for (const call of calls) {
    call.deadline.timedOutOnServer ||= deadline.timedOutOnServer;
    if (hadNoEffect) {
      call.deadline.mayBeCommitted = false;
      void runSingly(call);
    } else call.reject(translateDatabaseError(error, false));
  }
}
