import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

import { subjectColumn, subjectFromColumn } from '../../confirmation/index.js';
import { epochMs } from '../../database/index.js';

/** The method of the row that serialises all changes of a subject's factors. It is no factor. */
export const SUBJECT_ROW = 'subject';

/**
 * The method of a recovery code that was used. Its row has no hash any more and confirms nothing, but stays until the set is replaced or
 * removed: the proof that the code confirmed ends with that row, as the proof by an app ends with the app.
 */
export const SPENT_CODE = 'spent';

/**
 * What a subject has enrolled for a method: an authenticator app, a passkey, one recovery code, or one remembered device. Only
 * the statements of this package write it, and they touch it only where the option `methods` is set.
 *
 * One more row for each subject, with the method `subject`, serialises the changes: each of them writes it first.
 */
@Entity('two_factor_factor')
export class FactorRecord {
  /** It has the form of the id of a confirmation: 48 bits of time and 128 random bits. The id of the subject's row is derived. */
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  /** The name of the application, whose keys seal the secrets. Several may share the table. */
  @Column({ name: 'application', type: 'varchar', length: 64, default: '' })
  application!: string;

  /** A hash of application and subject, by which the factors of a subject are found: a subject is too long for an index. */
  @Index()
  @Column({ name: 'subject_key', type: 'varchar', length: 64 })
  subjectKey!: string;

  /** The subject, with other characters than ASCII escaped: see `subjectInColumn`. */
  @Column({ name: 'subject', type: 'varchar', length: 1_025, transformer: subjectColumn })
  subject!: string;

  @Column({ name: 'method', type: 'varchar', length: 16 })
  method!: string;

  /** The name that the person gave the factor, escaped as the subject. */
  @Column({ name: 'label', type: 'varchar', length: 512, default: '', transformer: subjectColumn })
  label!: string;

  /** The hash by which a response finds its factor, such as that of a recovery code: 64 hexadecimal characters. */
  @Index({ unique: true })
  @Column({ name: 'handle', type: 'varchar', length: 64, nullable: true })
  handle!: string | null;

  /**
   * The sealed data of a factor (`v1.kid....`): the secret of an app, the key of a passkey, an empty text for the other methods. Its tag
   * covers the columns of `FactorBinding`, so that a row which was written without the secret is no factor. `null` for a recovery
   * code that was used; in the row of the subject the name of the subject in its passkeys, in clear.
   */
  @Column({ name: 'data', type: 'text', nullable: true })
  data!: string | null;

  /**
   * For an app, the last time step that was accepted, so that its code is not accepted twice; for a passkey, the counter of its
   * last signature. For a pending enrolment, 1 when it was begun beside an active authenticator, else 0. For a device, the number
   * of the factor whose proof remembered it (`factorFingerprint`), 0 for a sent code. In the row of the subject, the number of changes.
   */
  @Column({ name: 'counter', type: 'bigint', default: 0, transformer: epochMs })
  counter!: number;

  @Column({ name: 'created_at', type: 'bigint', transformer: epochMs })
  createdAt!: number;

  /** `null` for a pending enrolment. */
  @Column({ name: 'activated_at', type: 'bigint', nullable: true, transformer: epochMs })
  activatedAt!: number | null;

  /**
   * When the factor last confirmed. In the row of the subject, when devices were last forgotten or removed: a proof that was used
   * before that remembers no device.
   */
  @Column({ name: 'last_used_at', type: 'bigint', nullable: true, transformer: epochMs })
  lastUsedAt!: number | null;

  @Column({ name: 'expires_at', type: 'bigint', nullable: true, transformer: epochMs })
  expiresAt!: number | null;
}

/** A factor as its row has it, whose data is sealed. */
export type StoredFactor = Readonly<FactorRecord>;

/** A factor as the store reads it, whose `data` is opened; `null` for none. */
export interface FactorRow extends StoredFactor {
  /**
   * False when its data cannot be opened: the row was changed or written by hand, or its secret is gone from the ring. It confirms
   * nothing. What the person has enrolled still counts it where it is an authenticator, because an app that is damaged must not
   * let a weaker method pay.
   */
  readonly isIntact: boolean;
}

/** The factor that a statement returned. */
export function factorFromRecord(raw: Readonly<Record<string, unknown>>): StoredFactor {
  const record = raw as unknown as Record<keyof FactorRecord, string>;
  const time = (value: string | null): number | null => (value === null ? null : Number(value));
  return {
    id: record.id,
    application: record.application,
    subjectKey: record.subjectKey,
    subject: subjectFromColumn(record.subject),
    method: record.method,
    label: subjectFromColumn(record.label),
    handle: record.handle,
    data: record.data,
    counter: Number(record.counter),
    createdAt: Number(record.createdAt),
    activatedAt: time(record.activatedAt),
    lastUsedAt: time(record.lastUsedAt),
    expiresAt: time(record.expiresAt),
  };
}
