import { parseArgs } from 'node:util';

/** All parts, in the order in which they run. */
export const PARTS = [
  'size',
  'boot',
  'service',
  'http',
  'mariadb',
  'mysql',
  'locked-row',
  'growth',
  'purge',
  'memory',
  'profile',
];
const QUICK_PARTS = ['size', 'boot', 'service', 'http'];

/**
 * How long and how often; `quick` shows a direction within three minutes, and proves nothing.
 *
 * @typedef {object} Sizes
 * @property {number} rounds
 * @property {number} seconds of one measurement
 * @property {number} firstSeconds of a process, half of them with most callers and half with fewest where there are several levels: until V8 has compiled what is called all the time
 * @property {number} warmUpSeconds before each measurement
 * @property {number[]} callers
 * @property {number[]} connections over HTTP
 * @property {number[]} mariadbCallers also on MySQL
 * @property {number} boots of each application
 * @property {number[]} growthRows
 * @property {number} purgeRows
 * @property {number} memoryCycles
 * @property {number} lockRounds
 */

/** @type {Sizes} */
const FULL = {
  rounds: 7,
  seconds: 3,
  firstSeconds: 10,
  warmUpSeconds: 0.7,
  callers: [1, 4, 16, 64],
  connections: [16, 64],
  mariadbCallers: [1, 16, 64],
  boots: 21,
  growthRows: [10_000, 1_000_000, 5_000_000],
  purgeRows: 2_000_000,
  memoryCycles: 1_000_000,
  lockRounds: 10,
};

/** @type {Sizes} */
const QUICK = {
  rounds: 2,
  seconds: 0.7,
  firstSeconds: 0.5,
  warmUpSeconds: 0.3,
  callers: [1, 16, 64],
  connections: [64],
  mariadbCallers: [1, 16],
  boots: 3,
  growthRows: [10_000, 100_000],
  purgeRows: 50_000,
  memoryCycles: 30_000,
  lockRounds: 2,
};

/** @param {string[]} args */
export function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      callers: { type: 'string' },
      contenders: { type: 'string' },
      data: { type: 'string' },
      ...Object.fromEntries(PARTS.map((part) => [part, { type: 'boolean', default: false }])),
    },
  });
  const { quick, record, rounds, seconds, callers, contenders, data } = values;
  const sizes = { ...(quick ? QUICK : FULL) };
  if (rounds !== undefined) sizes.rounds = positive('rounds', rounds);
  if (seconds !== undefined) sizes.seconds = positive('seconds', seconds);
  if (callers !== undefined) {
    const given = callers.split(',').map((text) => positive('callers', text));
    sizes.callers = sizes.connections = sizes.mariadbCallers = given;
  }
  const chosen = PARTS.filter((part) => values[part]);
  const usual = quick ? QUICK_PARTS : PARTS;
  return {
    quick,
    record,
    sizes,
    /** Folder for the databases; on a disk, or nothing is durable. */
    data,
    parts: new Set(chosen.length > 0 ? chosen : usual),
    /** Parts of the ids to run; the floor always does. */
    contenders: contenders?.split(',') ?? null,
  };
}

function positive(name, text) {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} is ${text}. Give a number above 0.`);
}
