/**
 * Line breaks, other control characters, characters without a width, and characters that change the direction of a text. They could
 * forge a line of a message or a header, hide a part of a value, or make `10.00` read as `00.01`.
 */
const INVISIBLE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Whether a text has one of them. */
export function hasInvisible(text: string): boolean {
  return text.search(INVISIBLE) !== -1;
}

/** The text with a blank in the place of each of them. */
export function withoutInvisible(text: string): string {
  return text.replace(INVISIBLE, ' ');
}
