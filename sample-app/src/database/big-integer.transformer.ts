import type { ValueTransformer } from 'typeorm';

/** PostgreSQL and MariaDB answer `bigint` as text. Cents and milliseconds fit into a number's 53 bits. */
export const bigInteger: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: unknown) => (value === null ? null : Number(value)),
};
