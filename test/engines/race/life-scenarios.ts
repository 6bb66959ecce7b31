// The races of different operations: resend, cancel, purge, quotas and requests against confirm and use.
import { hasWon, isDone, isLinearizable, lifeOperations, oneShotFaults } from './history.js';
import type { Call, Verb } from './protocol.js';
import {
  MAX_ATTEMPTS,
  type Scenario,
  type Codes,
  DEAD_ROWS,
  pending,
  times,
  isConfirm,
  charged,
  spentFailures,
  lifeOf,
  deadRows,
  excess,
  expected,
  unexpected,
} from './round.js';
import { FAILURE_LIMIT, SENDS_PER_TOKEN, COOLDOWN_MS, PURGER_AHEAD_MS } from './sizes.js';

export const LIFE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'resend',
    allowed: null,
    needsLimits: false,
    async play(stage, isNaive, round) {
      const token = `resend-${isNaive ? 'naive-' : ''}${round}@example.com`;
      const { id } = await stage.director.twoFactor.request({ token });

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
    needsLimits: false,
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
    needsLimits: false,
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
    needsLimits: true,
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
    needsLimits: true,
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
