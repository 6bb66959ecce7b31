import { median } from '../measure/statistics.js';
import { ON_POSTGRES } from './columns.js';
import { table } from './table.js';

/**
 * The samples of some rounds, and what they come to.
 */
export class Contest {
  /** @param {{ samples: object[], absent: Map<string, string> }} rounds */
  constructor({ samples, absent }) {
    this.samples = samples;
    this.absent = absent;
  }

  /** The median of the rounds; `null` when it was not measured. */
  median(id, level, figure) {
    const values = this.#of(id, level).map((sample) => sample[figure]);
    return values.length === 0 || values.some((value) => value === null) ? null : median(values);
  }

  /** Of each round: how one contender did beside another one, a few seconds before or after. */
  ratios(id, base, level, figure = 'perSecond') {
    return this.#of(id, level).flatMap((sample) => {
      const other = this.#of(base, level).find(({ round }) => round === sample.round);
      return other && other[figure] !== null ? [sample[figure] / other[figure]] : [];
    });
  }

  ratio(id, base, level, figure) {
    const ratios = this.ratios(id, base, level, figure);
    return ratios.length === 0 ? null : median(ratios);
  }

  #of(id, level) {
    return this.samples.filter((sample) => sample.id === id && sample.level === level);
  }
}

/**
 * A table for each level; all but cycles/s, times, RSS and what is compared is for one cycle.
 *
 * @param {Contest} contest
 * @param {readonly { id: string, name: string }[]} entries the first one is the floor
 * @param {readonly number[]} levels
 * @param {string} what they are
 * @param {readonly import('./columns.js').Column[]} [columns] after the name
 */
export function contestTables(contest, entries, levels, what, columns = ON_POSTGRES) {
  return levels
    .map((level) => {
      const heading = `### ${level} ${what}${level === 1 ? '' : 's'}`;
      return `${heading}\n\n${contestTable(contest, entries, level, columns)}`;
    })
    .join('\n\n');
}

function contestTable(contest, entries, level, columns) {
  const rows = entries.map((entry) => {
    const { id, name } = entry;
    if (contest.absent.has(id)) {
      return [`${name} (absent: ${contest.absent.get(id)})`, ...columns.map(() => '–')];
    }
    return [name, ...columns.map(({ cell }) => cell(contest, level, entry, entries[0]))];
  });
  return table(['contender', ...columns.map(({ head }) => head)], rows);
}
