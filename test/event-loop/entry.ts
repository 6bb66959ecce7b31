import type { AdversarialText } from './adversarial-texts.js';

/** One way for a text of a client or of a provider to come in. */
export interface Entry {
  readonly name: string;
  /** The longest text that is looked at, and longer ones where the length is not limited here. */
  readonly maxLength: number;
  /**
   * What at least one of the texts must come to: else the entry would refuse all of them before it read any.
   * A slug of the package's errors, an HTTP status or `done`.
   */
  readonly reaches: string;
  /** The texts of an entry that reads another language. @default adversarialTexts(maxLength) */
  readonly texts?: readonly AdversarialText[];
  /** How long one text may keep the event loop, in milliseconds. @default 50 */
  readonly limitMs?: number;
  /** Feeds the text and says what it came to. Called again for the same text it does all of the work again. */
  feed(text: string): Promise<string>;
}

/** What the worker writes, a line each. */
export type Line =
  | { readonly does: 'begin'; readonly entry: string; readonly text: string }
  | { readonly does: 'slow'; readonly entry: string; readonly text: string; readonly ms: number }
  | { readonly does: 'end'; readonly entries: readonly EntryReport[]; readonly texts: number };

export interface EntryReport {
  readonly entry: string;
  readonly texts: number;
  readonly reaches: string;
  /** How often the texts came to what. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly maxMs: number;
}

let count = 0;

/** Another number for each call, so that no call is refused for what another one did. */
export function fresh(): number {
  count += 1;
  return count;
}
