/**
 * Line separators, other control characters, and the characters that turn the direction of a text around. In a message
 * they forge a line of their own (`@bank.example #123456` in a text message), or make `10.00` read as `00.01`.
 */
const FORGING =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

export const ONE_LINE_RULE = 'one line without control characters and direction marks';

/** Whether a text may stand in a message: it is one line, and reads in the order in which it is stored. */
export function isOneLine(text: string): boolean {
  return !FORGING.test(text);
}
