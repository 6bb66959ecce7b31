/** One fault that a security review found, or one of its kind, and the test that finds it when it comes back. */
export interface PlantedFault {
  /** The number of the repaired finding, 1 to 13. */
  readonly finding: number;
  /** What a version with this fault does, as one sentence. */
  readonly sentence: string;
  readonly file: string;
  /** A text that is in the file exactly once. */
  readonly replace: string;
  readonly by: string;
  readonly spec: string;
  /** The titles of the suites and of the test, joined by ` > `. */
  readonly test: string;
}

/** The findings, by number. */
export const FINDINGS: readonly string[] = [
  'A request blocks the event loop',
  'Strangers write text into messages',
  'Strangers lock out signed-in users',
  'One network uses up the messages of all users',
  'A proof is not bound to the way of its code',
  "A proof with `useIn: 'handler'` has several effects",
  'A guard guards nothing',
  'A right code of another token ends the failures',
  'Weak secrets boot',
  'Smaller ones: disclosure, spellings, counters, secrets, numbers, releases',
  'The sample application',
  'Pages that promise more than the code does',
  'Raw errors of the database with the default options',
];

/**
 * The text of a file with the fault.
 *
 * @throws Error when the text to be replaced is not in the file exactly once: the file has changed, and the entry with it.
 */
export function withFault(text: string, { file, replace, by }: PlantedFault): string {
  const parts = text.split(replace);
  if (parts.length !== 2) {
    throw new Error(`${file} has ${parts.length - 1} times instead of once: ${replace}`);
  }
  return parts.join(by);
}
