import type { Answer } from './protocol.js';

/** A call that ended with true or false; what lost its transaction has not happened. */
type Done = Answer & { readonly outcome: { kind: 'done'; done: boolean; left?: number } };

export function isDone(answer: Answer): answer is Done {
  return answer.outcome.kind === 'done';
}

export function hasWon(answer: Answer): boolean {
  return isDone(answer) && answer.outcome.done;
}

/** In how many processes at most there was a call under way at one moment. */
export function processesAtOnce(answers: readonly Answer[]): number {
  return Math.max(
    0,
    ...answers.map(({ startedAt }) => {
      const underWay = answers.filter(
        (other) => other.startedAt <= startedAt && other.endedAt >= startedAt,
      );
      return new Set(underWay.map((other) => other.process)).size;
    }),
  );
}

function isTurnedAway(answer: Answer): boolean {
  return answer.outcome.kind === 'refused' || (isDone(answer) && !answer.outcome.done);
}

/**
 * A register that can be taken once: one call takes it, and no call is refused before that call began.
 *
 * @returns what no order of the calls explains.
 */
export function oneShotFaults(answers: readonly Answer[]): string[] {
  const [winner, ...others] = answers
    .filter(hasWon)
    .toSorted((one, other) => one.startedAt - other.startedAt);
  if (winner === undefined) return ['no call won'];
  const faults = others.map((other): string =>
    other.startedAt > winner.endedAt
      ? 'a call won that began after another had won'
      : 'two calls won at once',
  );
  const early = answers.filter(
    (answer) => isTurnedAway(answer) && answer.endedAt < winner.startedAt,
  );
  if (early.length > 0) faults.push(`${early.length} calls lost before the winner began`);
  return faults;
}

/**
 * A counter of attempts that all calls charge until it is at its limit. Each answer says what it saw left: not more than
 * the calls that were over by then allow, and not less than those that had begun.
 */
export function counterFaults(answers: readonly Answer[], limit: number): string[] {
  return answers.filter(isDone).flatMap(({ startedAt, endedAt, outcome: { left } }) => {
    if (left === undefined) return ['a call saw no counter'];
    const begun = answers.filter((other) => other.startedAt < endedAt).length;
    const over = answers.filter((other) => other.endedAt < startedAt).length;
    const most = limit - Math.min(limit, over + 1);
    const least = limit - Math.min(limit, begun);
    return left >= least && left <= most
      ? []
      : [`a call saw ${left} attempts left where ${least} to ${most} were possible`];
  });
}

/** One call on a model: `null` where that answer is impossible, else the state after it. */
export interface Operation<State extends string> {
  readonly startedAt: number;
  readonly endedAt: number;
  apply(state: State): State | null;
}

/** Whether some order of the calls, each somewhere between its start and its end, explains every answer. */
export function isLinearizable<State extends string>(
  operations: readonly Operation<State>[],
  initial: State,
  final: State,
): boolean {
  const seen = new Set<string>();
  const explains = (left: readonly number[], state: State): boolean => {
    if (left.length === 0) return state === final;
    const key = `${state} ${left.join()}`;
    if (seen.has(key)) return false;
    seen.add(key);
    const firstEnd = Math.min(...left.map((index) => operations[index]!.endedAt));
    const next = left.filter((index) => operations[index]!.startedAt <= firstEnd);
    const without = (taken: number): number[] => left.filter((index) => index !== taken);
    // What may come next and changes nothing can come now: every order that has it later is as good with it here.
    const idle = next.find((index) => operations[index]!.apply(state) === state);
    if (idle !== undefined) return explains(without(idle), state);
    return next.some((index) => {
      const after = operations[index]!.apply(state);
      return after !== null && explains(without(index), after);
    });
  };
  return explains([...operations.keys()], initial);
}

export type Life = 'pending' | 'confirmed' | 'used' | 'cancelled';

/** What the right code, `use` and `cancel` may answer in each state of a confirmation. */
const LIFE: Readonly<Record<string, Partial<Record<Life, Life>>>> = {
  confirm: { pending: 'confirmed' },
  use: { confirmed: 'used' },
  cancel: { pending: 'cancelled', confirmed: 'cancelled' },
};

/** The calls on one confirmation as operations on its life. */
export function lifeOperations(answers: readonly Answer[]): Operation<Life>[] {
  return answers.filter(isDone).map(({ call, startedAt, endedAt, outcome }) => ({
    startedAt,
    endedAt,
    apply: (state) => {
      const after = LIFE[call.verb]?.[state];
      return outcome.done ? (after ?? null) : after === undefined ? state : null;
    },
  }));
}
