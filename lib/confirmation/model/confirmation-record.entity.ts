import { Column, Entity, PrimaryColumn } from 'typeorm';

import { epochMs } from '../../database/index.js';

/**
 * One confirmation as it is stored; users hold a {@link ConfirmationState}. Written by the store's statements alone.
 *
 * Times are epoch milliseconds: `timestamp` columns shift with the zone of the process that reads them. What never
 * changes comes first and what changes comes last, which keeps the log of an update short.
 */
@Entity('two_factor_confirmation')
export class ConfirmationRecord {
  /** 48 bits of time and 128 random bits; the only index. */
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'purpose', type: 'varchar', length: 64, default: '' })
  purpose!: string;

  @Column({ name: 'subject', type: 'varchar', length: 255, default: '' })
  subject!: string;

  @Column({ name: 'details', type: 'simple-json', nullable: true })
  details!: unknown;

  @Column({ name: 'details_mac', type: 'varchar', length: 64, default: '' })
  detailsMac!: string;

  @Column({ name: 'meta', type: 'simple-json', nullable: true })
  meta!: unknown;

  @Column({ name: 'max_attempts', type: 'int' })
  maxAttempts!: number;

  @Column({ name: 'created_at', type: 'bigint', transformer: epochMs })
  createdAt!: number;

  @Column({ name: 'expires_at', type: 'bigint', transformer: epochMs })
  expiresAt!: number;

  /** The sender's name; empty until the confirmation is bound to a token. */
  @Column({ name: 'way', type: 'varchar', length: 64, default: '' })
  way!: string;

  /** Null when there is no code: a confirmation that was confirmed when it was made. */
  @Column({ name: 'code_mac', type: 'varchar', length: 64, nullable: true })
  codeMac!: string | null;

  @Column({ name: 'envelope', type: 'text', nullable: true })
  envelope!: string | null;

  /** Under which budgets its wrong codes are counted, where its own statement counts them: keyed hashes, and of which ring. */
  @Column({ name: 'failure_keys', type: 'text', nullable: true })
  failureKeys!: string | null;

  /** Likewise the pending slot that it has. */
  @Column({ name: 'slot_keys', type: 'text', nullable: true })
  slotKeys!: string | null;

  @Column({ name: 'attempts', type: 'int', default: 0 })
  attempts!: number;

  @Column({ name: 'sends', type: 'int', default: 0 })
  sends!: number;

  @Column({ name: 'last_sent_at', type: 'bigint', nullable: true, transformer: epochMs })
  lastSentAt!: number | null;

  @Column({ name: 'confirmed_at', type: 'bigint', nullable: true, transformer: epochMs })
  confirmedAt!: number | null;

  @Column({ name: 'use_before', type: 'bigint', nullable: true, transformer: epochMs })
  useBefore!: number | null;

  @Column({ name: 'used_at', type: 'bigint', nullable: true, transformer: epochMs })
  usedAt!: number | null;

  @Column({ name: 'use_key', type: 'varchar', length: 128, nullable: true })
  useKey!: string | null;

  @Column({ name: 'cancelled_at', type: 'bigint', nullable: true, transformer: epochMs })
  cancelledAt!: number | null;
}

/** Columns that only the statements themselves look at. */
export const UNREAD = ['failureKeys', 'slotKeys'] as const;

/** A row as the store reads it. */
export type ConfirmationRow = Readonly<Omit<ConfirmationRecord, (typeof UNREAD)[number]>>;
