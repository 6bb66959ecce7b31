import type { ResolvedLimits } from '../options/index.js';

/** The number of codes that are remembered; beyond it the code that was unused for longest is forgotten. */
const MAX_CODES = 10_000;

/**
 * Detects one code that is tried on many confirmations, which no quota of a single recipient or subject can show. It works in
 * the memory of one instance: it warns, and limits nothing.
 */
export class SprayDetector {
  #endsAt = 0;
  #isReported = false;
  readonly #confirmations = new Map<string, Set<string>>();

  constructor(private readonly rule: ResolvedLimits['sprayDetection']) {}

  /**
   * @param guess a keyed hash of the code.
   * @returns the number of confirmations it was tried on, when that is to be reported: once in a window.
   */
  record(guess: string, confirmation: string, now: number): number | null {
    if (this.rule === null) return null;
    if (now >= this.#endsAt) {
      this.#endsAt = now + this.rule.perMs;
      this.#isReported = false;
      this.#confirmations.clear();
    }
    if (this.#isReported) return null;
    const seen = this.#confirmations.get(guess) ?? new Set<string>();
    seen.add(confirmation);
    // Moves the code to the end, so that a code that is tried all the time is not forgotten.
    this.#confirmations.delete(guess);
    this.#confirmations.set(guess, seen);
    if (this.#confirmations.size > MAX_CODES) {
      for (const oldest of this.#confirmations.keys()) {
        this.#confirmations.delete(oldest);
        break;
      }
    }
    if (seen.size < this.rule.confirmations) return null;
    this.#isReported = true;
    this.#confirmations.clear();
    return seen.size;
  }
}
