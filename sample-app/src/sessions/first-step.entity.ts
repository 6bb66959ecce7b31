import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

import { User } from '../accounts/user.entity.js';
import { bigInteger } from '../database/big-integer.transformer.js';

/** A sign-in with the right password whose code is still missing. It is a table of its own so that it never is a session. */
@Entity('bank_first_step')
export class FirstStep {
  /** SHA-256 of the cookie's token. */
  @PrimaryColumn({ name: 'token_hash', type: 'varchar', length: 64 })
  tokenHash!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 36 })
  userId!: string;

  @ManyToOne(() => User)
  @JoinColumn({ name: 'user_id' })
  user!: User;

  /** Epoch milliseconds. */
  @Column({ name: 'expires_at', type: 'bigint', transformer: bigInteger })
  expiresAt!: number;
}
