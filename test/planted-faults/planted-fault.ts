/** One fault that was found and repaired, or one of its kind, and the test that finds it when it comes back. */
export interface PlantedFault {
  /** The number of the repaired finding in its list, from 1. */
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

/** What one examination of the module found, and the faults that put each finding back. */
export interface FaultList {
  /** For `npm run test:planted -- --list <name>`. */
  readonly name: string;
  /** The heading of the list in docs/planted-faults.md. */
  readonly title: string;
  /** What was examined, as one sentence. */
  readonly origin: string;
  /** The findings, by number. */
  readonly findings: readonly string[];
  /** In the order of the findings. */
  readonly faults: readonly PlantedFault[];
}

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
