/** What became of one test. */
export interface Verdict {
  readonly test: string;
  readonly isGreen: boolean;
  /** Whether an expectation failed, and not something on the way to it. */
  readonly isAssertion: boolean;
  readonly message: string;
}

/** The beginning of the line by which the reporter hands over the verdicts. */
export const VERDICT = 'verdicts of the planted faults: ';
