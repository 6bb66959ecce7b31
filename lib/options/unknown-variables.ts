import { SETTINGS } from './settings.js';

/** A variable of the environment that begins as those of this package do, and is none of them. */
export interface UnknownVariable {
  readonly variable: string;
  /** The variable of this package that is spelt most similarly. */
  readonly nearest: string;
}

const PREFIX = 'TWO_FACTOR_';
const KNOWN = [
  'TWO_FACTOR_SECRET',
  'TWO_FACTOR_SECRETS',
  ...Object.values(SETTINGS).map(({ variable }) => variable),
];

/**
 * Finds misspelt variables. A misspelt option stops the boot, but a variable may belong to the application, so that it is only
 * reported.
 */
export function unknownVariables(environment: NodeJS.ProcessEnv): readonly UnknownVariable[] {
  return Object.keys(environment)
    .filter((variable) => variable.startsWith(PREFIX) && !KNOWN.includes(variable))
    .map((variable) => ({ variable, nearest: nearestTo(variable) }));
}

function nearestTo(variable: string): string {
  const spelt = variable.toUpperCase();
  const byDistance = KNOWN.map((known) => ({
    known,
    // The beginning of a name, such as TWO_FACTOR_TTL, lacks many characters and is no other name for that.
    distance: known.startsWith(spelt) ? 0 : distanceOf(spelt, known),
  }));
  return byDistance.toSorted((one, other) => one.distance - other.distance)[0]!.known;
}

/** How many characters must be added, removed or replaced to make one text of the other (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let index = 0; index < one.length; index += 1) {
    const next = [index + 1];
    for (let place = 0; place < other.length; place += 1) {
      const replaced = row[place]! + Number(one[index] !== other[place]);
      next.push(Math.min(replaced, row[place + 1]! + 1, next[place]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}
