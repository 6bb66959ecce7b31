import { Column, Entity, PrimaryColumn } from 'typeorm';

import { bigInteger } from '../database/big-integer.transformer.js';

/** A request for a code that its session has counted. */
@Entity('bank_counted_code')
export class CountedCode {
  /** SHA-256 of the session and all of the request. */
  @PrimaryColumn({ type: 'varchar', length: 64 })
  request!: string;

  /** The latest end of the session, in epoch milliseconds. */
  @Column({ name: 'expires_at', type: 'bigint', transformer: bigInteger })
  expiresAt!: number;
}
