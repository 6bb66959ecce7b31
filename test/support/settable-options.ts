import { resolveOptions } from '../../lib/options/index.js';
import { SECRET } from './test-app.js';

/** Members of the resolved options that follow from others, and that no reader sets. */
const DERIVED = new Set([
  'keyRing',
  'secretIsRandom',
  'secretIsReplaced',
  'unknownVariables',
  'developmentFeatures',
]);

/** Each option that a reader can set, except secrets and `env`, with its default. */
export function settableOptions(): [name: string, value: unknown][] {
  const resolved = resolveOptions({ secret: SECRET }, { NODE_ENV: 'test' });
  return Object.entries(resolved).filter(([name]) => !DERIVED.has(name));
}

/** Whether the documentation shows the default as it is. */
export function isScalar(value: unknown): value is number | boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}
