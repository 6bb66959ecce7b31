import { Column, Entity, PrimaryColumn } from 'typeorm';

import { epochMs } from '../../database/index.js';
import { subjectColumn } from './ascii-columns.js';

/**
 * One confirmation as it is stored. Applications get a {@link ConfirmationState}. Only the statements of this package write
 * it.
 *
 * Times are epoch milliseconds: `timestamp` columns shift with the zone of the process that reads them. Columns
 * that never change come first, which keeps an update's record in the server's log short.
 */
@Entity('two_factor_confirmation')
export class ConfirmationRecord {
  /** 48 bits of time and 128 random bits; the only index. */
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'purpose', type: 'varchar', length: 64, default: '' })
  purpose!: string;

  /** In ASCII: see `subjectInColumn`. */
  @Column({
    name: 'subject',
    type: 'varchar',
    length: 1_025,
    default: '',
    transformer: subjectColumn,
  })
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

  /** The sender's name; empty until the confirmation is bound to a phone number or address. */
  @Column({ name: 'way', type: 'varchar', length: 64, default: '' })
  way!: string;

  /** The methods that may confirm it, `,totp,recovery,` in order of preference; `null` for a code alone. */
  @Column({ name: 'methods', type: 'varchar', length: 64, nullable: true })
  methods!: string | null;

  /** `null` without a code: confirmed when it was made, or to be confirmed by other methods alone. */
  @Column({ name: 'code_mac', type: 'varchar', length: 64, nullable: true })
  codeMac!: string | null;

  @Column({ name: 'envelope', type: 'text', nullable: true })
  envelope!: string | null;

  /** The keys of its failure quotas, after the name of the key ring they were made under: for statements that count them. */
  @Column({ name: 'failure_keys', type: 'text', nullable: true })
  failureKeys!: string | null;

  /** The keys of the pending slot that it holds. */
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

  /** The method that confirmed it; `hand` for the application itself. */
  @Column({ name: 'confirmed_by', type: 'varchar', length: 16, nullable: true })
  confirmedBy!: string | null;

  /** The factor whose response confirmed it: the proof can be used only while the row of that factor is there. */
  @Column({ name: 'factor_id', type: 'varchar', length: 36, nullable: true })
  factorId!: string | null;

  @Column({ name: 'use_before', type: 'bigint', nullable: true, transformer: epochMs })
  useBefore!: number | null;

  @Column({ name: 'used_at', type: 'bigint', nullable: true, transformer: epochMs })
  usedAt!: number | null;

  @Column({ name: 'use_key', type: 'varchar', length: 128, nullable: true })
  useKey!: string | null;

  @Column({ name: 'cancelled_at', type: 'bigint', nullable: true, transformer: epochMs })
  cancelledAt!: number | null;
}

/** Columns that only statements read, and that no statement returns. */
export const WRITE_ONLY_COLUMNS = ['failureKeys', 'slotKeys'] as const;

/** A row as the store reads it. */
export type ConfirmationRow = Readonly<
  Omit<ConfirmationRecord, (typeof WRITE_ONLY_COLUMNS)[number]> & {
    /** Whether the factor that confirmed it was removed since. Only a statement that reads the row finds that out. */
    isFactorGone?: boolean;
  }
>;
