import { Column, Entity, PrimaryColumn } from 'typeorm';

import { bigInteger } from '../database/big-integer.transformer.js';

/** A message that must reach its owner. The row is deleted once it is sent. */
@Entity('bank_notice')
export class Notice {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ type: 'varchar', length: 8 })
  kind!: 'email' | 'sms';

  @Column({ type: 'varchar', length: 70 })
  recipient!: string;

  @Column({ type: 'varchar', length: 120 })
  subject!: string;

  @Column({ type: 'varchar', length: 1_000 })
  text!: string;

  @Column({ type: 'int' })
  attempts!: number;

  /** Epoch milliseconds. */
  @Column({ name: 'created_at', type: 'bigint', transformer: bigInteger })
  createdAt!: number;

  /** When to try next, in epoch milliseconds. */
  @Column({ name: 'due_at', type: 'bigint', transformer: bigInteger })
  dueAt!: number;
}
