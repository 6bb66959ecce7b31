/**
 * The deliberately naive twin of lib/delivery/redact.ts, as it was once: one regular expression is built out of the secrets.
 * For secrets of grouping characters it takes exponential time. The tests of the event loop must find it out.
 */
const MAX_LENGTH = 500;
/** Fewer digits than this are in many texts by chance. */
const MIN_DIGITS = 6;
const SYNTAX = /[\\^$.*+?()[\]{}|/]/g;
// oxlint-disable-next-line no-control-regex
const LINE_BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

export function naiveRedact(text: string, ...secrets: readonly string[]): string {
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
