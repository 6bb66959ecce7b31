import { number, percent, spread } from './table.js';

/**
 * A column of a table of contenders; `text` is the one that says the same without preparing it.
 *
 * @typedef {{ id: string, text?: string }} Entry
 * @typedef {object} Column
 * @property {string} head
 * @property {(contest: import('./contest.js').Contest, level: number, entry: Entry, floor: Entry) => string} cell
 */

/** A column of medians. */
function figure(head, key, show = number) {
  return { head, cell: (contest, level, { id }) => show(contest.median(id, level, key)) };
}

/** A column of cycles/s beside those of the contender that `otherOf` names, of the entry and the floor. */
function compared(head, otherOf) {
  return {
    head,
    cell: (contest, level, entry, floor) =>
      spread(contest.ratios(entry.id, otherOf(entry, floor), level)),
  };
}

const toTheFloor = compared('to the floor', (_, floor) => floor.id);

export const ON_POSTGRES = [
  figure('cycles/s', 'perSecond'),
  toTheFloor,
  figure('p50 ms', 'p50'),
  figure('p99 ms', 'p99'),
  figure('statements', 'statements'),
  figure('commits', 'commits'),
  figure('WAL bytes', 'walBytes'),
  figure('HOT', 'hot', percent),
  figure('CPU ms Node', 'nodeCpuMs'),
  figure('CPU ms server', 'serverCpuMs'),
  figure('RSS MB', 'rssMb'),
];

export const ON_MARIADB = [
  figure('cycles/s', 'perSecond'),
  toTheFloor,
  compared('to text', ({ text }) => text),
  figure('p50 ms', 'p50'),
  figure('p99 ms', 'p99'),
  figure('statements', 'statements'),
  figure('CPU ms Node', 'nodeCpuMs'),
  figure('CPU ms server', 'serverCpuMs'),
];
