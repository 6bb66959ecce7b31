import { progress } from '../report/progress.js';
import { hotShare, measure } from './measure.js';
import { shuffled } from './statistics.js';

/**
 * In each round every contender gets a new process and is measured at every level; level by level, one after the other,
 * in an order drawn anew each time. What a machine does to one of them it does to all.
 *
 * @template {{ id: string, name: string }} Entry
 * @param {object} plan
 * @param {readonly Entry[]} plan.entries
 * @param {readonly number[]} plan.levels how many callers, or connections
 * @param {import('../setup/options.js').Sizes} plan.sizes
 * @param {object} plan.postgres
 * @param {(entry: Entry) => Promise<import('../process/contestant.js').Contestant>} plan.start
 * @returns {Promise<{ samples: object[], absent: Map<string, string> }>} `absent`: who could not take part, and why
 */
export async function rounds({ entries, levels, sizes, postgres, start }) {
  const samples = [];
  const absent = new Map();
  for (let round = 1; round <= sizes.rounds; round += 1) {
    const present = new Map();
    for (const entry of entries.filter(({ id }) => !absent.has(id))) {
      try {
        present.set(entry.id, await start(entry));
      } catch (error) {
        if (error.name !== 'Absent') throw error;
        absent.set(entry.id, error.message);
      }
    }
    for (const [id, contestant] of shuffled(present)) {
      progress(`round ${round} of ${sizes.rounds}: ${id} warms up`);
      // A single caller runs other code than a batch does, and V8 compiles that code during the first thousand cycles of the
      // single caller. So a warm-up with the most callers does not replace one with the fewest.
      for (const callers of [Math.max(...levels), Math.min(...levels)]) {
        await contestant.load({ callers, seconds: sizes.firstSeconds / 2 });
      }
    }
    await postgres.query('CHECKPOINT');
    const ofRound = [];
    for (const level of levels) {
      for (const [id, contestant] of shuffled(present)) {
        progress(`round ${round} of ${sizes.rounds}: ${id}, ${level} at once`);
        await contestant.load({ callers: level, seconds: sizes.warmUpSeconds });
        const measured = await measure(contestant, postgres, {
          callers: level,
          seconds: sizes.seconds,
        });
        ofRound.push({ round, level, id, ...measured });
      }
    }
    for (const [id, contestant] of present) {
      await contestant.stop();
      const isElsewhere = contestant.serverPid !== postgres.pid;
      const hot = isElsewhere ? null : await hotShare(postgres, contestant.database);
      for (const sample of ofRound) if (sample.id === id) sample.hot = hot;
    }
    samples.push(...ofRound);
  }
  progress();
  return { samples, absent };
}
