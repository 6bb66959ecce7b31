// The races of single operations: use, confirm with right and wrong codes, and a crowd of callers.
import { counterFaults, hasWon, oneShotFaults } from './history.js';
import type { Call, Verb } from './protocol.js';
import {
  MAX_ATTEMPTS,
  type Scenario,
  type Codes,
  pending,
  times,
  charged,
  excess,
  expected,
  unexpected,
} from './round.js';
import { callsOf, CROWD, STEPS } from './sizes.js';

export const CODE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'use',
    allowed: null,
    needsLimits: false,
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
    needsLimits: false,
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
    needsLimits: false,
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
    needsLimits: false,
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
    needsLimits: false,
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
    // Every application asks about all of them at once, each in another order: no two batches have the same calls.
    name: 'crowd',
    allowed: CROWD,
    needsLimits: false,
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
];
