import type { DataSource } from 'typeorm';

/** What is left in the queue. */
export interface Backlog {
  readonly waiting: number;
  /** The confirmations whose messages were given up. */
  readonly failed: readonly string[];
}

export async function backlogOf(dataSource: DataSource): Promise<Backlog> {
  const rows = await dataSource.query<{ confirmation: string; due_at: unknown }[]>(
    'SELECT confirmation, due_at FROM two_factor_delivery',
  );
  const failed = rows.filter(({ due_at: dueAt }) => dueAt === null);
  return {
    waiting: rows.length - failed.length,
    failed: failed.map(({ confirmation }) => confirmation),
  };
}
