import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

import { epochMs } from '../../database/index.js';

/**
 * A message that waits for its provider, or that no provider accepted. Only the statements of this package write it, and they
 * touch it only with the option `delivery: 'queued'`.
 *
 * It has no phone number or address, no code and no subject: the worker opens the envelope of the confirmation when it sends. A
 * message that was accepted has no row, so that the table is as small as the backlog.
 */
@Entity('two_factor_delivery')
@Index(['way', 'isBound', 'dueAt'])
export class DeliveryRecord {
  /** The id of the confirmation. */
  @PrimaryColumn({ name: 'confirmation', type: 'varchar', length: 36 })
  confirmation!: string;

  /** The number of the message among those of its confirmation, from 1. */
  @PrimaryColumn({ name: 'number', type: 'int' })
  number!: number;

  /** The sender's name. */
  @Column({ name: 'way', type: 'varchar', length: 64 })
  way!: string;

  /**
   * 1 when the application named the recipient for a subject (the class `bound`), 0 when a client named it (`open`). A worker reads
   * the two apart, so that many messages of one class do not hold up the other class.
   */
  @Column({ name: 'is_bound', type: 'int', default: 0 })
  isBound!: number;

  /** When a worker may claim it: the next try, or the end of the lease of the worker that holds it. `null` when it failed. */
  @Column({ name: 'due_at', type: 'bigint', nullable: true, transformer: epochMs })
  dueAt!: number | null;

  /** How often it was claimed. A worker writes only as long as this is the number of its own claim. */
  @Column({ name: 'claims', type: 'int', default: 0 })
  claims!: number;

  /** The calls of a provider that were answered, or that took too long. */
  @Column({ name: 'tries', type: 'int', default: 0 })
  tries!: number;

  /** 1 when the budgets are charged for the next call. */
  @Column({ name: 'is_charged', type: 'int', default: 0 })
  isCharged!: number;

  @Column({ name: 'failed_at', type: 'bigint', nullable: true, transformer: epochMs })
  failedAt!: number | null;

  /** Why it failed: `recipient-not-allowed`, `send-failed`, `too-many-requests` or `expired`. */
  @Column({ name: 'reason', type: 'varchar', length: 32, nullable: true })
  reason!: string | null;
}

/** Why a message is not sent, although its confirmation waits for it. */
export type DeliveryFailureReason =
  'expired' | 'recipient-not-allowed' | 'send-failed' | 'too-many-requests';
