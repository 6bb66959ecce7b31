/** A name in braces, with the blank before it. */
const PLACEHOLDER = / ?\{([a-z]+)\}/gi;

/**
 * Replaces each `{name}` by its value, in one pass, so that a value which has braces is never filled in itself. An empty value takes
 * the blank before it along.
 */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  const filled = template.replace(PLACEHOLDER, (found, name: string) => {
    const value = values[name] ?? '';
    return value === '' ? '' : `${found.startsWith(' ') ? ' ' : ''}${value}`;
  });
  return filled.trim();
}

/** The names in braces. */
export function placeholdersOf(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name]) => name ?? '');
}
