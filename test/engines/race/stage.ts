import { loggedAttempts } from '../../support/attempt-trigger.js';
import type { RaceApplication } from './application.js';
import type { Crew, Results } from './crew.js';
import type { Call, Chain, Job } from './protocol.js';

/** Where the rounds of a cell are played: the crew, and an application of our own that makes and looks after them. */
export class Stage {
  constructor(
    readonly crew: Crew,
    readonly director: RaceApplication,
    /** Applications of each process. */
    readonly applications: number,
  ) {}

  /**
   * Deals chains of calls to all applications of all processes and plays them at once.
   *
   * @param codes the right codes by confirmation.
   */
  async race(
    chains: readonly (readonly Call[])[],
    codes: Readonly<Record<string, string>> = {},
    aheadMs = 0,
  ): Promise<Results> {
    const hands = Array.from({ length: this.crew.size }, (): Chain[] => []);
    for (const [index, calls] of chains.entries()) {
      const hand = hands[index % this.crew.size]!;
      hand.push({ application: hand.length % this.applications, calls });
    }
    return this.raceJobs(hands.map((hand) => ({ chains: hand, codes, aheadMs })));
  }

  /** As `race`, one job for each process. */
  async raceJobs(jobs: readonly Job[]): Promise<Results> {
    return this.crew.race(jobs);
  }

  /** Chains for the applications of one process. */
  deal(chains: readonly (readonly Call[])[]): Chain[] {
    return chains.map((calls, index) => ({ application: index % this.applications, calls }));
  }

  /** What the database itself wrote down, over all these confirmations. */
  async comparisons(...ids: readonly string[]): Promise<number> {
    const counts = await Promise.all(ids.map((id) => loggedAttempts(this.director.dataSource, id)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Rows of one of the harness's own tables, about a confirmation or at all. */
  async count(table: 'race_effect' | 'race_inbox', id?: string): Promise<number> {
    const where = id === undefined ? '' : `WHERE confirmation = '${id}'`;
    const rows: { number: string | number }[] = await this.director.dataSource.query(
      `SELECT count(*) AS number FROM ${table} ${where}`,
    );
    return Number(rows[0]?.number);
  }
}
