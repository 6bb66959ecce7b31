import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

import { User } from '../accounts/user.entity.js';
import { bigInteger } from '../database/big-integer.transformer.js';

@Entity('bank_transfer')
export class Transfer {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  /** Unique: even without any check one confirmation moves money once. */
  @Column({ name: 'confirmation_id', type: 'varchar', length: 36, unique: true })
  confirmationId!: string;

  @Column({ name: 'payer_id', type: 'varchar', length: 36 })
  payerId!: string;

  @ManyToOne(() => User)
  @JoinColumn({ name: 'payer_id' })
  payer!: User;

  @Column({ name: 'payee_id', type: 'varchar', length: 36 })
  payeeId!: string;

  @ManyToOne(() => User)
  @JoinColumn({ name: 'payee_id' })
  payee!: User;

  @Column({ name: 'amount_cents', type: 'bigint', transformer: bigInteger })
  amountCents!: number;

  /** Epoch milliseconds. */
  @Column({ name: 'created_at', type: 'bigint', transformer: bigInteger })
  createdAt!: number;
}
