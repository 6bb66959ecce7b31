import { SETTINGS } from './settings.js';

/** A variable of the environment that begins as those of this package do, and is none of them. */
export interface UnknownVariable {
  readonly variable: string;
  /** The variable of this package that is spelt most similarly. */
  readonly nearest: string;
}

const PREFIX = 'TWO_FACTOR_';
const VARIABLE_NAMES = [
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
    .filter((variable) => variable.startsWith(PREFIX) && !VARIABLE_NAMES.includes(variable))
    .map((variable) => ({ variable, nearest: nearestTo(variable) }));
}

function nearestTo(variable: string): string {
  const spelt = variable.toUpperCase();
  const bySimilarity = VARIABLE_NAMES.map((known) => ({
    known,
    similarity: similarityOf(spelt, known),
  }));
  return bySimilarity.toSorted((one, other) => other.similarity - one.similarity)[0]!.known;
}

/** How many characters both texts begin with, and how many they end with. */
function similarityOf(one: string, other: string): number {
  let [start, end] = [0, 0];
  while (start < one.length && one[start] === other[start]) start += 1;
  while (end < one.length && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  return start + end;
}
