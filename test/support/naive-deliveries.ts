import { setTimeout as sleep } from 'node:timers/promises';

import type { DataSource } from 'typeorm';

/**
 * A queue as most applications write it: read what is due, mark it, send it, delete it. The control of the tests of the queue:
 * two workers that read at once both send, and a worker that was paused deletes what another one holds.
 */
export class NaiveDeliveries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly now: () => number,
  ) {}

  /** @returns the confirmations whose messages it has sent. */
  async sweep(): Promise<string[]> {
    const rows = await this.dataSource.query<{ confirmation: string; number: number }[]>(
      `SELECT confirmation, number FROM two_factor_delivery WHERE due_at <= ${this.now()}`,
    );
    await sleep(50);
    for (const { confirmation, number } of rows) {
      await this.dataSource.query(
        `UPDATE two_factor_delivery SET due_at = ${this.now() + 40_000} WHERE confirmation = '${confirmation}' AND number = ${number}`,
      );
    }
    return rows.map(({ confirmation }) => confirmation);
  }

  /**
   * Sends what is due by some loops, the oldest first, for all requesters alike, until nothing is left. Slow recipients of one person
   * take all loops from the others.
   */
  async sendOldestFirst(
    loops: number,
    send: (confirmation: string) => Promise<void>,
  ): Promise<void> {
    const taken = new Set<string>();
    const loop = async (): Promise<void> => {
      for (;;) {
        const rows = await this.dataSource.query<{ confirmation: string }[]>(
          `SELECT confirmation FROM two_factor_delivery WHERE due_at <= ${this.now()} ORDER BY due_at`,
        );
        const next = rows.find(({ confirmation }) => !taken.has(confirmation));
        if (next === undefined) return;
        taken.add(next.confirmation);
        await send(next.confirmation);
      }
    };
    await Promise.all(Array.from({ length: loops }, loop));
  }

  async remove(confirmation: string, number: number): Promise<void> {
    await this.dataSource.query(
      `DELETE FROM two_factor_delivery WHERE confirmation = '${confirmation}' AND number = ${number}`,
    );
  }
}
