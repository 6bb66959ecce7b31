import { Column, Entity, PrimaryColumn } from 'typeorm';

import { bigInteger } from '../database/big-integer.transformer.js';

@Entity('bank_user')
export class User {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  /** In lower case. */
  @Column({ type: 'varchar', length: 70, unique: true })
  email!: string;

  /** E.164; `null` until a number is proved. */
  @Column({ type: 'varchar', length: 16, nullable: true })
  phone!: string | null;

  @Column({ name: 'password_hash', type: 'varchar', length: 255 })
  passwordHash!: string;

  /** Whole cents: money is never a float. */
  @Column({ name: 'balance_cents', type: 'bigint', transformer: bigInteger })
  balanceCents!: number;
}
