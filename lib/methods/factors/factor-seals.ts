import { Logger } from '@nestjs/common';

import {
  isId,
  openFactorData,
  sealFactorData,
  type FactorBinding,
  type KeyRing,
} from '../../crypto/index.js';
import type { FactorMethodName } from './factor-method.js';
import type { FactorRow, StoredFactor } from './factor-record.entity.js';

/**
 * Rows that are reported one by one, each once. A writer of a million forged rows must fill neither the memory nor the log, and nor must a
 * secret that was removed from the ring, which each request of each person would report.
 */
const MAX_REPORTED = 1_000;
/** The methods whose uses write the counter of the factor. That of every other one is sealed with it. */
const COUNTER_METHODS: ReadonlySet<string> = new Set<FactorMethodName>(['passkey', 'totp']);

/** The columns of a factor that is sealed or opened, as a row or before its insert. */
type SealedColumns = Omit<FactorBinding, 'fixedCounter'> & Pick<StoredFactor, 'counter'>;

/**
 * What the data of a factor is bound to. A device whose counter could be changed would name another factor than the one that remembered
 * it, and outlive the removal of that one.
 */
function bindingOf({ counter, ...columns }: SealedColumns): FactorBinding {
  const isWritten = columns.activatedAt !== null && COUNTER_METHODS.has(columns.method);
  return { ...columns, fixedCounter: isWritten ? null : counter };
}

/**
 * Seals and opens the data of all factors. Whether it opens is the one proof that this application has written the row: otherwise
 * one INSERT would give a recovery code, a device or a passkey for any subject (NIST SP 800-63B-4 3.1.6.2).
 */
export class FactorSeals {
  readonly #logger = new Logger(FactorSeals.name);
  readonly #reported = new Set<string>();
  #unnamed = 0;

  constructor(private readonly keyRing: KeyRing) {}

  /** The column `data` of a factor, under the signing key. */
  seal({ data, ...columns }: SealedColumns & Pick<StoredFactor, 'data'>): string {
    return sealFactorData(this.keyRing, data ?? '', bindingOf(columns));
  }

  /**
   * @param subject the one whose factors were asked for: a row that was copied to another subject is not intact. It is also the one that
   * the answer names, because an event must not name a subject that was written by hand.
   */
  open(stored: StoredFactor, subject: string): FactorRow {
    const text = stored.subject === subject ? this.#open(stored) : null;
    if (text === null) this.#report(stored.id);
    return { ...stored, subject, data: text || null, isIntact: text !== null };
  }

  /**
   * The column `data` under the signing key, from one under a former key; `null` when that cannot be opened. It is reported then: it
   * keeps the former secret in the ring, and without its id it could not be found.
   */
  sealAgain(stored: StoredFactor): string | null {
    const data = this.#open(stored);
    if (data === null) this.#report(stored.id);
    return data === null ? null : this.seal({ ...stored, data });
  }

  isCurrent({ data }: StoredFactor): boolean {
    return keyIdOf(data) === this.keyRing.current.kid;
  }

  #open(stored: StoredFactor): string | null {
    return stored.data === null
      ? null
      : openFactorData(this.keyRing, stored.data, bindingOf(stored));
  }

  #report(id: string): void {
    if (this.#reported.has(id)) return;
    if (this.#reported.size >= MAX_REPORTED) {
      this.#reportUnnamed();
      return;
    }
    this.#reported.add(id);
    this.#logger.error(
      // What is no id was written by hand, and may be any text.
      `The factor ${isId(id) ? id : '(without a valid id)'} confirms nothing: its secret is not in the ring, or its row was changed ` +
        'or written by hand. Add the former secret to the option secrets again, or remove the factor and let the person enrol again.',
    );
  }

  /** One line for a thousand rows beyond those that are reported by their id. */
  #reportUnnamed(): void {
    if (this.#unnamed % MAX_REPORTED === 0) {
      this.#logger.error(
        `More than ${MAX_REPORTED} factors confirm nothing, as was reported for the first ones. The most frequent cause is a secret that ` +
          'was removed from the option secrets before FactorService.reseal() had moved all factors: add it again.',
      );
    }
    this.#unnamed += 1;
  }
}

/** The name of the key in a sealed text; empty for any other. */
export function keyIdOf(data: string | null): string {
  return data?.split('.', 2)[1] ?? '';
}
