const MAX_LENGTH = 500;
const SYNTAX = /[\\^$.*+?()[\]{}|/]/g;
// oxlint-disable-next-line no-control-regex
const LINE_BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * A provider's words, as far as they may be repeated: without the code and the token that it may have echoed (in other
 * case, in a URL, in JSON), in one line, and no page of them.
 */
export function strikeOut(text: string, ...secrets: readonly string[]): string {
  const spellings = secrets
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    // The longest first: a phone number may begin with what happens to be the code.
    .toSorted((one, other) => other.length - one.length)
    .map((spelling) => spelling.replace(SYNTAX, String.raw`\$&`));
  const struck = text
    .replace(new RegExp(spellings.join('|'), 'giu'), '***')
    .replace(LINE_BREAKS, ' ');
  // Cut last: half a secret would not be found.
  return struck.length > MAX_LENGTH ? `${struck.slice(0, MAX_LENGTH)}...` : struck;
}

/** What was thrown, whatever it is, as text. */
export function wordsOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  if (!(thrown instanceof Error)) return `a value of type ${typeof thrown} was thrown`;
  // Node's error of several refused connections says nothing but its code.
  const { message, code, name } = thrown as { message: unknown; code?: unknown; name: string };
  return (
    [message, code, name].find((text): text is string => typeof text === 'string' && text !== '') ??
    'an error'
  );
}
