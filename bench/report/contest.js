import { median } from '../measure/statistics.js';
import { number, percent, ratio, table } from './table.js';

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

const HEAD = [
  'contender',
  'cycles/s',
  'to the floor',
  'p50 ms',
  'p99 ms',
  'statements',
  'commits',
  'WAL bytes',
  'HOT',
  'CPU ms Node',
  'CPU ms server',
  'RSS MB',
];

/**
 * A table for each level; all but cycles/s, times and RSS is for one cycle.
 *
 * @param {Contest} contest
 * @param {readonly { id: string, name: string, base?: string }[]} entries `base`: whom it is compared with
 * @param {readonly number[]} levels
 * @param {string} what they are
 */
export function contestTables(contest, entries, levels, what) {
  return levels
    .map((level) => {
      const heading = `### ${level} ${what}${level === 1 ? '' : 's'}`;
      return `${heading}\n\n${contestTable(contest, entries, level)}`;
    })
    .join('\n\n');
}

function contestTable(contest, entries, level) {
  const rows = entries.map(({ id, name, base = entries[0].id }) => {
    if (contest.absent.has(id)) {
      return [`${name} (absent: ${contest.absent.get(id)})`, ...HEAD.slice(1).map(() => '–')];
    }
    const figure = (key) => contest.median(id, level, key);
    const ratios = contest.ratios(id, base, level);
    const spread = `${ratio(Math.min(...ratios))}-${ratio(Math.max(...ratios))}`;
    return [
      name,
      number(figure('perSecond')),
      `${ratio(median(ratios))} (${spread})`,
      number(figure('p50')),
      number(figure('p99')),
      number(figure('statements')),
      number(figure('commits')),
      number(figure('walBytes')),
      percent(figure('hot')),
      number(figure('nodeCpuMs')),
      number(figure('serverCpuMs')),
      number(figure('rssMb')),
    ];
  });
  return table(HEAD, rows);
}
