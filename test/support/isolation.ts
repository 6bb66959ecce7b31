import type { DataSource } from 'typeorm';

import { engines, type EngineName } from './engines.js';

export const LEVELS = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const;
export type IsolationLevel = (typeof LEVELS)[number];

/** Every level of every engine. SQLite has one level, and the one connection of sql.js belongs to one application. */
export const isolationCells: readonly { engine: EngineName; level: IsolationLevel }[] = engines
  .filter((engine) => engine !== 'sqljs')
  .flatMap((engine) => {
    const levels = engine === 'better-sqlite3' ? LEVELS.slice(-1) : LEVELS;
    return levels.map((level) => ({ engine, level }));
  });

/** Sets the level on every connection of a pool of this size, which keeps them. */
export async function setLevel(
  source: DataSource,
  level: IsolationLevel,
  poolSize: number,
): Promise<void> {
  const { options } = source;
  if (options.type === 'better-sqlite3') return;
  const sql =
    options.type === 'postgres'
      ? `SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL ${level}`
      : `SET SESSION TRANSACTION ISOLATION LEVEL ${level}`;
  const runners = Array.from({ length: poolSize }, () => source.createQueryRunner());
  await Promise.all(runners.map((runner) => runner.connect()));
  for (const runner of runners) await runner.query(sql);
  await Promise.all(runners.map((runner) => runner.release()));
}
