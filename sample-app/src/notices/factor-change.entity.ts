import { Column, Entity, PrimaryColumn } from 'typeorm';

import { bigInteger } from '../database/big-integer.transformer.js';

/** A change of what confirms for a customer, written before the change is made. The row is deleted once the owner's notice is stored. */
@Entity('bank_factor_change')
export class FactorChange {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 36 })
  userId!: string;

  /** What the customer had before, as JSON. It has no secret. */
  @Column({ name: 'had_before', type: 'text' })
  before!: string;

  /** When to look at it again, in epoch milliseconds. */
  @Column({ name: 'due_at', type: 'bigint', transformer: bigInteger })
  dueAt!: number;
}
