import { withoutInvisible } from './invisible.js';

/** The value as one line. Characters that could forge a message become blanks: at this point it is too late to refuse them. */
export function plainLine(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return withoutInvisible(text);
}

/** One line such as `Amount: 10.00` for each member of the details; none for `null`. */
export function detailLines(details: unknown): string[] {
  if (details === null || details === undefined) return [];
  if (typeof details !== 'object') return [plainLine(details)];
  return Object.entries(details).map(([name, value]) => {
    const label = plainLine(name);
    return `${label.charAt(0).toUpperCase()}${label.slice(1)}: ${plainLine(value)}`;
  });
}
