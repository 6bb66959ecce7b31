import type { ConfirmationRecord } from 'nestjs-two-factor';

import type { Results } from './crew.js';
import {
  counterFaults,
  hasWon,
  isDone,
  isLinearizable,
  lifeOperations,
  oneShotFaults,
  type Life,
} from './history.js';
import type { Answer, Call, Verb } from './protocol.js';
import type { Stage } from './stage.js';

/** A twin's call is five statements instead of one, and one call for each connection is enough to break it. */
const callsOf = (isNaive: boolean): number => (isNaive ? 40 : 100);
const MAX_ATTEMPTS = 5;
const FAILURE_LIMIT = 10;
/** Confirmations, and steps that lead from one to each of the others. */
const CROWD = 12;
const STEPS = [1, 5, 7, 11] as const;
/** An hour's messages to one token. */
const SENDS_PER_TOKEN = 5;
const COOLDOWN_MS = 31_000;

/** What a round showed. */
export interface Round {
  readonly answers: readonly Answer[];
  /** `null` where nothing is to be compared. */
  readonly comparisons: number | null;
  readonly winners: number;
  /** What happened though it must never happen: all that a twin is judged by. */
  readonly harms: readonly string[];
  /** What else is not as promised: nobody won, an answer that no order explains, an error that was not announced. */
  readonly lapses: readonly string[];
}

export interface Scenario {
  readonly name: string;
  /** Comparisons that a round may make. */
  readonly allowed: number | null;
  /** Whether the failure budget is on. */
  readonly limits: boolean;
  /** Plays a round on a confirmation of its own. `round` counts from 0. */
  play(stage: Stage, isNaive: boolean, round: number): Promise<Round>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'use',
    allowed: null,
    limits: false,
    async play(stage, isNaive) {
      const { id } = await stage.director.confirmer.makeConfirmation({ isConfirmed: true });

      const { answers } = await stage.race(times(callsOf(isNaive), [{ verb: 'use', id, isNaive }]));

      const winners = answers.filter(hasWon).length;
      return {
        answers,
        comparisons: null,
        winners,
        harms: excess('uses won', winners, 1),
        lapses: [...oneShotFaults(answers), ...unexpected(answers)],
      };
    },
  },
  {
    name: 'use in a transaction',
    allowed: null,
    limits: false,
    async play(stage, isNaive) {
      const { id } = await stage.director.confirmer.makeConfirmation({ isConfirmed: true });

      const { answers } = await stage.race(
        times(callsOf(isNaive), [{ verb: 'use-with-effect', id, isNaive }]),
      );

      const winners = answers.filter(hasWon).length;
      const effects = await stage.count('race_effect', id);
      return {
        answers,
        comparisons: null,
        winners,
        harms: [...excess('uses won', winners, 1), ...excess('effects', effects, 1)],
        lapses: [
          ...oneShotFaults(answers),
          ...expected('effects', effects, winners),
          ...unexpected(answers),
        ],
      };
    },
  },
  {
    name: 'confirm right',
    allowed: MAX_ATTEMPTS,
    limits: false,
    async play(stage, isNaive) {
      const { id, codes } = await pending(stage);

      const results = await stage.race(
        times(callsOf(isNaive), [{ verb: 'confirm', id, isNaive, isRight: true }]),
        codes,
      );

      const { answers } = results;
      const winners = answers.filter(hasWon).length;
      const { comparisons, lapses } = await charged(stage, results, isNaive, id);
      return {
        answers,
        comparisons,
        winners,
        harms: excess('right codes confirmed', winners, 1),
        lapses: [
          ...oneShotFaults(answers),
          ...expected('comparisons', comparisons, 1),
          ...lapses,
          ...unexpected(answers),
        ],
      };
    },
  },
  {
    name: 'confirm wrong',
    allowed: MAX_ATTEMPTS,
    limits: false,
    async play(stage, isNaive) {
      const { id, codes } = await pending(stage);

      const results = await stage.race(times(callsOf(isNaive), [{ verb: 'confirm', id, isNaive }]));

      const { answers } = results;
      const { comparisons, lapses } = await charged(stage, results, isNaive, id);
      const [, late] = isNaive
        ? [null, false]
        : await stage.director.confirmer.confirm(id, codes[id]!);
      const after = isNaive ? comparisons : await stage.comparisons(id);
      return {
        answers,
        comparisons,
        winners: answers.filter(hasWon).length,
        harms: [
          ...excess('comparisons', comparisons, MAX_ATTEMPTS),
          ...excess('wrong codes confirmed', answers.filter(hasWon).length, 0),
        ],
        lapses: [
          ...expected('comparisons', comparisons, MAX_ATTEMPTS),
          ...expected('comparisons after the right code', after, MAX_ATTEMPTS),
          ...expected('right codes confirmed afterwards', Number(late), 0),
          ...counterFaults(answers, MAX_ATTEMPTS),
          ...lapses,
          ...unexpected(answers),
        ],
      };
    },
  },
  {
    name: 'confirm mixed',
    allowed: MAX_ATTEMPTS,
    limits: false,
    async play(stage, isNaive, round) {
      const { id, codes } = await pending(stage);
      const right: Call = { verb: 'confirm', id, isNaive, isRight: true };
      const wrong: Call = { verb: 'confirm', id, isNaive };

      // By turns in each process, half of which begin with a right one.
      const { size } = stage.crew;
      const results = await stage.race(
        Array.from({ length: callsOf(isNaive) }, (_, index) => [
          (Math.floor(index / size) + (index % size) + round) % 2 === 0 ? right : wrong,
        ]),
        codes,
      );

      const { answers } = results;
      const winners = answers.filter(hasWon).length;
      const { comparisons, lapses } = await charged(stage, results, isNaive, id);
      // A right code that was refused while attempts were left was compared and not taken.
      const overlooked = answers.filter(
        ({ call, outcome }) =>
          call.isRight && outcome.kind === 'done' && outcome.status === 'pending',
      ).length;
      return {
        answers,
        comparisons,
        winners,
        harms: [
          ...excess('comparisons', comparisons, MAX_ATTEMPTS),
          ...excess('right codes confirmed', winners, 1),
        ],
        lapses: [
          ...expected('right codes overlooked', overlooked, 0),
          // Fewer than five were compared only if one of them was right.
          ...(winners === 1 ? [] : expected('comparisons', comparisons, MAX_ATTEMPTS)),
          ...lapses,
          ...unexpected(answers),
        ],
      };
    },
  },
  {
    // Every application asks about all of them at once, each in another order: what goes together is never the same.
    name: 'crowd',
    allowed: CROWD,
    limits: false,
    async play(stage, isNaive, round) {
      const crowd = await Promise.all(Array.from({ length: CROWD }, () => pending(stage)));
      const codes = Object.assign({}, ...crowd.map((each) => each.codes)) as Codes;
      const applications = isNaive ? 1 : stage.applications;
      const jobs = Array.from({ length: stage.crew.size }, (_, process) => {
        const chains = Array.from({ length: applications * CROWD }, (_each, index) => {
          const application = index % applications;
          const step = STEPS[(application + process + round) % STEPS.length]!;
          const place = Math.floor(index / applications) * step + application + process;
          const { id } = crowd[place % CROWD]!;
          const call = (verb: Verb): Call => ({ verb, id, isNaive, isRight: verb === 'confirm' });
          return [call('confirm'), call('use')];
        });
        return { chains: stage.deal(chains), codes, aheadMs: 0 };
      });

      const results = await stage.raceJobs(jobs);

      const { answers } = results;
      const ids = crowd.map(({ id }) => id);
      const { comparisons, lapses } = await charged(stage, results, isNaive, ...ids);
      const won = (verb: Verb, id: string): number =>
        answers.filter(({ call }) => call.verb === verb && call.id === id).filter(hasWon).length;
      return {
        answers,
        comparisons,
        winners: answers.filter(hasWon).length,
        harms: ids.flatMap((id) => [
          ...excess('right codes confirmed', won('confirm', id), 1),
          ...excess('uses won', won('use', id), 1),
        ]),
        lapses: [
          ...ids.flatMap((id) => [
            ...expected('right codes confirmed', won('confirm', id), 1),
            ...expected('uses won', won('use', id), 1),
          ]),
          ...expected('comparisons', comparisons, CROWD),
          ...lapses,
          ...unexpected(answers),
        ],
      };
    },
  },
  {
    name: 'resend',
    allowed: null,
    limits: false,
    async play(stage, isNaive) {
      const { id } = await stage.director.twoFactor.request({ token: 'ann@example.com' });

      const { answers } = await stage.race(
        times(40, [{ verb: 'resend', id, isNaive }]),
        {},
        COOLDOWN_MS,
      );

      const winners = answers.filter(hasWon).length;
      const messages = (await stage.count('race_inbox', id)) - 1;
      const { sends } = await stage.director.records.findOneByOrFail({ id });
      return {
        answers,
        comparisons: null,
        winners,
        harms: excess('messages', messages, 1),
        lapses: [
          ...oneShotFaults(answers),
          ...expected('messages', messages, 1),
          ...expected('charged messages', sends - 1, 1),
          ...unexpected(answers, 'too-many-requests'),
        ],
      };
    },
  },
  {
    name: 'cancel, confirm, use',
    allowed: MAX_ATTEMPTS,
    limits: false,
    async play(stage, isNaive, round) {
      const { id, codes } = await pending(stage);
      const call = (verb: Verb): Call => ({ verb, id, isNaive, isRight: verb === 'confirm' });
      // Somewhere in the life of the confirmation: the rounds differ in how late it comes.
      const cancel: Call = { ...call('cancel'), after: round % 8 };

      const results = await stage.race(
        [
          ...times(12, [call('confirm')]),
          ...times(8, [call('use'), call('use'), call('use')]),
          ...times(2, [cancel]),
        ],
        codes,
      );

      const { answers } = results;
      const { comparisons, lapses } = await charged(stage, results, isNaive, id);
      const final = lifeOf(await stage.director.records.findOneByOrFail({ id }));
      const wins = (verb: Verb): number =>
        answers.filter((answer) => answer.call.verb === verb && hasWon(answer)).length;
      return {
        answers,
        comparisons,
        winners: answers.filter(hasWon).length,
        harms: [
          ...excess('right codes confirmed', wins('confirm'), 1),
          ...excess('used and cancelled', wins('use') + wins('cancel'), 1),
          ...(isLinearizable(lifeOperations(answers), 'pending', final)
            ? []
            : [`no order of the calls ends as ${final}`]),
        ],
        lapses: [...lapses, ...unexpected(answers)],
      };
    },
  },
  {
    name: 'purge, confirm, use',
    allowed: 24 + 1,
    limits: false,
    async play(stage, isNaive, round) {
      const { records, confirmer } = stage.director;
      await records.createQueryBuilder().delete().execute();
      await records.insert(deadRows(round));
      // By the clock of the process that purges these have expired, by the others' they can still be confirmed: as when
      // one clock is ahead, or a statement was issued in time and waited for its row.
      const edges = await Promise.all(Array.from({ length: 24 }, () => pending(stage)));
      const live = await pending(stage, 86_400);
      const proof = await confirmer.makeConfirmation({ isConfirmed: true, ttlSeconds: 86_400 });
      const codes = Object.assign({}, live.codes, ...edges.map((edge) => edge.codes)) as Codes;
      const confirm = (id: string): Call => ({
        verb: 'confirm',
        id,
        isNaive: false,
        isRight: true,
      });

      const users = stage.crew.size - 1;
      const chains = [
        ...edges.map(({ id }) => [confirm(id)]),
        ...times(6, [confirm(live.id)]),
        ...times(6, [{ verb: 'use', id: proof.id, isNaive: false }]),
      ];
      const { answers } = await stage.raceJobs([
        ...Array.from({ length: users }, (_, user) => ({
          chains: stage.deal(chains.filter((_, index) => index % users === user)),
          codes,
          aheadMs: 0,
        })),
        {
          chains: stage.deal(times(2, [{ verb: 'purge', id: '', isNaive }])),
          codes: {},
          aheadMs: PURGER_AHEAD_MS,
        },
      ]);

      const left = new Map((await records.find()).map((row) => [row.id, row]));
      const won = new Set(answers.filter(hasWon).map(({ call }) => call.id));
      const lost = edges.filter(({ id }) => won.has(id) && !left.get(id)?.confirmedAt).length;
      const winners = (id: string): number =>
        answers.filter((answer) => answer.call.id === id && hasWon(answer)).length;
      const purged = answers
        .filter(isDone)
        .reduce((sum, { outcome }) => sum + (outcome.count ?? 0), 0);
      const gone = edges.filter(({ id }) => !left.has(id)).length;
      const comparisons = await stage.comparisons(live.id, ...edges.map(({ id }) => id));
      return {
        answers,
        comparisons,
        winners: answers.filter((answer) => answer.call.id !== '' && hasWon(answer)).length,
        harms: [
          ...excess('confirmed rows purged', lost, 0),
          ...excess(
            'live rows purged',
            [live.id, proof.id].filter((id) => !left.has(id)).length,
            0,
          ),
        ],
        lapses: [
          ...expected('right codes of the live row confirmed', winners(live.id), 1),
          ...expected('uses won', winners(proof.id), 1),
          ...expected('comparisons', comparisons, answers.filter(hasWon).filter(isConfirm).length),
          ...expected('rows left', left.size, 2 + edges.length - gone),
          ...expected('rows that a purge counted', purged, DEAD_ROWS + gone),
          ...unexpected(answers),
        ],
      };
    },
  },
  {
    name: 'limits',
    allowed: FAILURE_LIMIT,
    limits: true,
    async play(stage, isNaive, round) {
      const token = `ann-${isNaive ? 'naive-' : ''}${round}@example.com`;
      const { confirmer, dataSource } = stage.director;
      await dataSource.query('DELETE FROM two_factor_limit');
      await dataSource.query('DELETE FROM race_budget');
      await dataSource.query(`INSERT INTO race_budget (budget, spent) VALUES ('${token}', 0)`);
      // Four subjects, whose clients all name this token: the failures of strangers are counted for the token alone.
      const confirmations = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          confirmer.makeConfirmation({
            token,
            tokenFrom: 'client',
            way: 'inbox',
            subject: `user-${index % 4}`,
          }),
        ),
      );

      const results = await stage.race(
        times(
          MAX_ATTEMPTS,
          ...confirmations.map(({ id }): Call => ({ verb: 'confirm', id, isNaive, budget: token })),
        ).flatMap((calls) => calls.map((call) => [call])),
      );

      const { answers } = results;
      const ids = confirmations.map(({ id }) => id);
      const { comparisons, lapses } = await charged(stage, results, isNaive, ...ids);
      const failures = await spentFailures(stage);
      const [first] = confirmations;
      const late = isNaive
        ? []
        : (
            await stage.race([[{ verb: 'confirm', id: first!.id, isNaive, isRight: true }]], {
              [first!.id]: first!.code!,
            })
          ).answers;
      return {
        answers,
        comparisons,
        winners: answers.filter(hasWon).length,
        harms: [
          ...excess('comparisons', comparisons, FAILURE_LIMIT),
          ...excess('wrong codes confirmed', answers.filter(hasWon).length, 0),
        ],
        lapses: [
          ...expected('comparisons', comparisons, FAILURE_LIMIT),
          ...(isNaive ? [] : expected('failures of the token', failures, FAILURE_LIMIT)),
          ...expected('right codes confirmed while locked', late.filter(hasWon).length, 0),
          ...lapses,
          ...unexpected(answers, 'too-many-requests'),
          ...unexpected(late, 'too-many-requests'),
        ],
      };
    },
  },
  {
    name: 'requests',
    allowed: null,
    limits: true,
    async play(stage, isNaive, round) {
      const token = `bob-${isNaive ? 'naive-' : ''}${round}@example.com`;
      const { dataSource } = stage.director;
      await dataSource.query('DELETE FROM race_inbox');
      await dataSource.query('DELETE FROM race_budget');
      await dataSource.query(`INSERT INTO race_budget (budget, spent) VALUES ('${token}', 0)`);

      const { answers } = await stage.race(times(40, [{ verb: 'request', id: token, isNaive }]));

      const winners = answers.filter(hasWon).length;
      const messages = await stage.count('race_inbox');
      return {
        answers,
        comparisons: null,
        winners,
        harms: excess('messages', messages, SENDS_PER_TOKEN),
        lapses: [
          ...expected('messages', messages, SENDS_PER_TOKEN),
          ...expected('requests accepted', winners, SENDS_PER_TOKEN),
          ...unexpected(answers, 'too-many-requests'),
        ],
      };
    },
  },
];

type Codes = Readonly<Record<string, string>>;

const DEAD_ROWS = 200;
/** More than a code lives (600 s), less than a confirmed one (900 s). */
const PURGER_AHEAD_MS = 601_000;

async function pending(stage: Stage, ttlSeconds?: number): Promise<{ id: string; codes: Codes }> {
  const state = await stage.director.confirmer.makeConfirmation({ ttlSeconds });
  return { id: state.id, codes: { [state.id]: state.code! } };
}

/** The same chain, so many times. */
function times(count: number, ...chain: readonly (Call | readonly Call[])[]): Call[][] {
  return Array.from({ length: count }, () => chain.flat());
}

const isConfirm = ({ call }: Answer): boolean => call.verb === 'confirm';

/**
 * Comparisons as the database's trigger logged them, which must be the difference of `attempts` too; a twin compares in
 * the application, and counts them there.
 */
async function charged(
  stage: Stage,
  results: Results,
  isNaive: boolean,
  ...ids: readonly string[]
): Promise<{ comparisons: number; lapses: string[] }> {
  if (isNaive) return { comparisons: results.comparisons, lapses: [] };
  const comparisons = await stage.comparisons(...ids);
  let attempts = 0;
  for (const id of ids) {
    attempts += (await stage.director.records.findOneByOrFail({ id })).attempts;
  }
  return { comparisons, lapses: expected('attempts', attempts, comparisons) };
}

/** What the budgets of failures hold together: what is charged and not given back. */
async function spentFailures({ director }: Stage): Promise<number> {
  const rows: { spent: string | number | null }[] = await director.dataSource.query(
    "SELECT sum(amount) AS spent FROM two_factor_limit WHERE kind = 'failures'",
  );
  return Number(rows[0]?.spent);
}

function lifeOf({ cancelledAt, usedAt, confirmedAt }: ConfirmationRecord): Life {
  if (cancelledAt !== null) return 'cancelled';
  if (usedAt !== null) return 'used';
  return confirmedAt === null ? 'pending' : 'confirmed';
}

/** Rows that were dead long ago, older than any other. */
function deadRows(
  round: number,
): Pick<ConfirmationRecord, 'id' | 'maxAttempts' | 'createdAt' | 'expiresAt'>[] {
  const createdAt = Date.now() - 86_400_000;
  return Array.from({ length: DEAD_ROWS }, (_, index) => ({
    id: `${round}0${index}`.padStart(36, '0'),
    maxAttempts: MAX_ATTEMPTS,
    createdAt,
    expiresAt: createdAt + 600_000,
  }));
}

function excess(what: string, actual: number, most: number): string[] {
  return actual > most ? [`${actual} ${what}, at most ${most}`] : [];
}

function expected(what: string, actual: number, exactly: number): string[] {
  return actual === exactly ? [] : [`${actual} ${what} instead of ${exactly}`];
}

/** Errors, and refusals that were not announced for this. */
function unexpected(answers: readonly Answer[], ...announced: readonly string[]): string[] {
  const mayConflict = ({ call }: Answer): boolean => call.verb === 'use-with-effect';
  return answers.flatMap((answer) => {
    const { outcome } = answer;
    if (outcome.kind === 'error') return [`error: ${outcome.what}`];
    if (outcome.kind === 'refused' && !announced.includes(outcome.code)) {
      return [`refused: ${outcome.code}`];
    }
    return outcome.kind === 'conflict' && !mayConflict(answer) ? ['a conflict outside'] : [];
  });
}
