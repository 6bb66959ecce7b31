/**
 * Line separators, other control characters, and characters that change the direction of a text. In a message they could add a
 * forged line (`@bank.example #123456` in a text message) or make `10.00` read as `00.01`. Characters without a width are no part of them,
 * unlike in recipients and details: names in Persian, in Indic scripts and with emoji are written with zero-width joiners.
 */
const FORGING_CHARACTERS =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

export const ONE_LINE_RULE = 'one line without control characters and direction marks';

/** Whether a text may be part of a message: it is one line, and is displayed in the order in which it is stored. */
export function isOneLine(text: string): boolean {
  return !FORGING_CHARACTERS.test(text);
}
