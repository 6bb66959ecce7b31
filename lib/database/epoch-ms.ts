import type { ValueTransformer } from 'typeorm';

/** `pg` and `mysql2` read a bigint as text; epoch milliseconds fit a number until the year 287396. */
export const epochMs: ValueTransformer = {
  to: (value: number | null | undefined) => value,
  from: (value: string | number | null) => (value === null ? null : Number(value)),
};
