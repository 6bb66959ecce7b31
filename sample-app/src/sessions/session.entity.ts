import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

import { User } from '../accounts/user.entity.js';
import { bigInteger } from '../database/big-integer.transformer.js';

@Entity('bank_session')
export class Session {
  /** SHA-256 of the cookie's token: a reader of the table cannot sign in with it. */
  @PrimaryColumn({ name: 'token_hash', type: 'varchar', length: 64 })
  tokenHash!: string;

  /** Names the session in the list of its owner. It opens nothing. */
  @Column({ type: 'varchar', length: 36, unique: true })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 36 })
  userId!: string;

  @ManyToOne(() => User)
  @JoinColumn({ name: 'user_id' })
  user!: User;

  /** What the browser says that it is. Only its owner reads it. */
  @Column({ type: 'varchar', length: 120 })
  device!: string;

  /** All times are epoch milliseconds. */
  @Column({ name: 'created_at', type: 'bigint', transformer: bigInteger })
  createdAt!: number;

  @Column({ name: 'last_used_at', type: 'bigint', transformer: bigInteger })
  lastUsedAt!: number;

  /** Codes that were asked for in this session. */
  @Column({ type: 'int' })
  codes!: number;

  /** The latest end, however often it is used. */
  @Column({ name: 'expires_at', type: 'bigint', transformer: bigInteger })
  expiresAt!: number;
}
