import { Column, Entity, PrimaryColumn } from 'typeorm';

import { epochMs } from '../../database/index.js';

/** `window`: a number of units in a time that begins with the first. `failures`: consecutive ones, which a success ends. */
export type LimitKind = 'window' | 'failures';

/** The usage of one quota. The id is a keyed hash and identifies no person. Only the statements of this package write it. */
@Entity('two_factor_limit')
export class LimitRecord {
  /** Keyed hash of what the quota limits. */
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 32 })
  id!: string;

  @Column({ name: 'kind', type: 'varchar', length: 8 })
  kind!: LimitKind;

  /** The units that are consumed. */
  @Column({ name: 'amount', type: 'int' })
  amount!: number;

  /** The units that may be consumed, by the rule of the last consumption. */
  @Column({ name: 'allowed', type: 'int' })
  maxAmount!: number;

  /** End of the window, or of the lock: epoch milliseconds. */
  @Column({ name: 'ends_at', type: 'bigint', transformer: epochMs })
  endsAt!: number;

  /** The owner and the call that consumed it last. */
  @Column({ name: 'owner', type: 'varchar', length: 32, default: '' })
  owner!: string;
}
