/** A range of ids, which sort by time. */
export interface IdWindow {
  readonly after: string;
  readonly until: string;
}

/** What the confirmations' upkeep does for the factors, whose room is above this one. */
export interface FactorUpkeep {
  /** Deletes all factors of a subject. */
  erase(subject: string): Promise<unknown>;
  /**
   * Deletes up to `limit` enrolments that were never activated and have ended, and devices and used recovery codes by which no proof
   * can be left, in the window.
   *
   * @returns the id that the next batch begins after; `null` when this was the last one.
   */
  purge(limit: number, window: IdWindow): Promise<{ affected: number; end: string | null }>;
  /** The ranges of ids in which a purge looks for rows. A background round does not read all factors. */
  windows(isComplete: boolean): readonly IdWindow[];
}

/** Injects the `FactorUpkeep`; `null` without the option `methods`. */
export const FACTOR_UPKEEP = Symbol('FactorUpkeep');
