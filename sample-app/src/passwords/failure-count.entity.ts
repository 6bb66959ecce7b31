import { Column, Entity, PrimaryColumn } from 'typeorm';

import { bigInteger } from '../database/big-integer.transformer.js';

/** Wrong passwords of one party within one period. */
@Entity('bank_failure_count')
export class FailureCount {
  /** SHA-256 of what is counted: the table does not show which addresses strangers typed. */
  @PrimaryColumn({ type: 'varchar', length: 64 })
  key!: string;

  @Column({ type: 'int' })
  failures!: number;

  /** The end of the period in epoch milliseconds. After that the count starts again. */
  @Column({ name: 'ends_at', type: 'bigint', transformer: bigInteger })
  endsAt!: number;
}
