/**
 * Line breaks, other control characters, characters without a width, and characters that change the direction of a text. They could
 * forge a line of a message, hide a part of a value, or make `10.00` read as `00.01`.
 */
const INVISIBLE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The value as one line. Characters that could forge a message become blanks: at this point it is too late to refuse them. */
export function plainLine(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.replace(INVISIBLE, ' ');
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
