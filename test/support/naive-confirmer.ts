import type { Repository } from 'typeorm';

import { ConfirmationRecord } from '../../lib/index.js';

/**
 * What most applications write: find, check, save. The control of every race test: it must fail where ours holds, or the
 * test proves nothing.
 */
export class NaiveConfirmer {
  /** How many guesses were compared with the code. */
  comparisons = 0;

  constructor(private readonly records: Repository<ConfirmationRecord>) {}

  async confirm(id: string, isRight: boolean): Promise<boolean> {
    const record = await this.records.findOneByOrFail({ id });
    if (record.confirmedAt !== null || record.attempts >= record.maxAttempts) return false;
    this.comparisons += 1;
    record.attempts += 1;
    if (isRight) {
      record.confirmedAt = Date.now();
      record.useBefore = Date.now() + 300_000;
    }
    await this.records.save(record);
    return isRight;
  }

  async use(id: string): Promise<boolean> {
    const record = await this.records.findOneByOrFail({ id });
    if (record.confirmedAt === null || record.usedAt !== null) return false;
    record.usedAt = Date.now();
    await this.records.save(record);
    return true;
  }
}
