import type { ResolvedLimits } from '../options/index.js';

/** More codes than this are not told apart: the one not seen for longest is forgotten. */
const MAX_CODES = 10_000;

/**
 * Sees one code that is tried on many confirmations, which no budget of a single token or subject sees. In the memory of
 * one instance: a warning, and no limit.
 */
export class SprayDetector {
  #endsAt = 0;
  #isTold = false;
  readonly #confirmations = new Map<string, Set<string>>();

  constructor(private readonly rule: ResolvedLimits['sprayDetection']) {}

  /**
   * @param guess names the code without saying it.
   * @returns on how many confirmations it was tried, when that is to be told: once in a window.
   */
  record(guess: string, confirmation: string, now: number): number | null {
    if (this.rule === null) return null;
    if (now >= this.#endsAt) {
      this.#endsAt = now + this.rule.perMs;
      this.#isTold = false;
      this.#confirmations.clear();
    }
    if (this.#isTold) return null;
    const seen = this.#confirmations.get(guess) ?? new Set<string>();
    seen.add(confirmation);
    // Last in line again: what is tried all the time is not forgotten.
    this.#confirmations.delete(guess);
    this.#confirmations.set(guess, seen);
    if (this.#confirmations.size > MAX_CODES) {
      for (const oldest of this.#confirmations.keys()) {
        this.#confirmations.delete(oldest);
        break;
      }
    }
    if (seen.size < this.rule.confirmations) return null;
    this.#isTold = true;
    this.#confirmations.clear();
    return seen.size;
  }
}
