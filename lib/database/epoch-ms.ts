import type { ValueTransformer } from 'typeorm';

/** `pg` and `mysql2` return a bigint as text. Epoch milliseconds are a safe integer until the year 287396. */
export const epochMs: ValueTransformer = {
  to: (value: number | null | undefined) => value,
  from: (value: string | number | null) => (value === null ? null : Number(value)),
};
