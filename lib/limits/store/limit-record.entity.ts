import { Column, Entity, PrimaryColumn } from 'typeorm';

import { epochMs } from '../../database/index.js';

/** `window`: so many in a time that begins with the first. `failures`: consecutive, and only a success ends them. */
export type LimitKind = 'window' | 'failures';

/** How much of one budget is spent. Names nobody: the id is a keyed hash. Written by the limit store's statements alone. */
@Entity('two_factor_limit')
export class LimitRecord {
  /** Keyed hash of what the budget is kept for. */
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 32 })
  id!: string;

  @Column({ name: 'kind', type: 'varchar', length: 8 })
  kind!: LimitKind;

  /** What is spent. */
  @Column({ name: 'amount', type: 'int' })
  amount!: number;

  /** What may be spent, by the rule of the last charge. */
  @Column({ name: 'allowed', type: 'int' })
  allowed!: number;

  /** End of the window, or of the lock: epoch milliseconds. */
  @Column({ name: 'ends_at', type: 'bigint', transformer: epochMs })
  endsAt!: number;

  /** For whom, and by which call, it was charged last. */
  @Column({ name: 'owner', type: 'varchar', length: 32, default: '' })
  owner!: string;
}
