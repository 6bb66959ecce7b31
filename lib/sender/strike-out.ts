const MAX_LENGTH = 500;
/** Fewer digits than this are in many texts by chance. */
const MIN_DIGITS = 6;
const SYNTAX = /[\\^$.*+?()[\]{}|/]/g;
// oxlint-disable-next-line no-control-regex
const LINE_BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * A provider's words, as far as they may be repeated: without the code and the token that it may have echoed (in other
 * case, in a URL, in JSON), in one line, and no page of them.
 */
export function strikeOut(text: string, ...secrets: readonly string[]): string {
  const spellings = secrets
    .flatMap((secret) => [
      loosely(secret),
      literally(encodeURIComponent(secret)),
      literally(JSON.stringify(secret).slice(1, -1)),
      ...digitsOf(secret),
    ])
    // The longest first: a phone number may begin with what happens to be the code.
    .toSorted((one, other) => other.length - one.length);
  const struck = text
    .replace(new RegExp(spellings.join('|'), 'giu'), '***')
    .replace(LINE_BREAKS, ' ');
  // Cut last: half a secret would not be found.
  return struck.length > MAX_LENGTH ? `${struck.slice(0, MAX_LENGTH)}...` : struck;
}

function literally(text: string): string {
  return text.replace(SYNTAX, String.raw`\$&`);
}

/** However it is grouped: `123 456`, `(555) 01-23`. */
function loosely(text: string): string {
  return Array.from(text, literally).join(String.raw`[\s.()\u00a0-]*`);
}

/** A phone number without its `+`, its blanks and its zeros in front. */
function digitsOf(text: string): string[] {
  const digits = text.replace(/\D/g, '').replace(/^0+/, '');
  return digits.length >= MIN_DIGITS ? [loosely(digits)] : [];
}

/** What was thrown, whatever it is, as text. */
export function wordsOf(thrown: unknown): string {
  try {
    return textOf(thrown);
  } catch {
    // A getter or a proxy that throws: its error may say anything.
    return 'an error that cannot be read';
  }
}

function textOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  if (!(thrown instanceof Error)) return `a value of type ${typeof thrown} was thrown`;
  // Node's error of several refused connections says nothing but its code.
  const { message, code, name } = thrown as { message: unknown; code?: unknown; name: string };
  return (
    [message, code, name].find((text): text is string => typeof text === 'string' && text !== '') ??
    'an error'
  );
}
