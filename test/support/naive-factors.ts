import { randomBytes } from 'node:crypto';

import { IsNull, type DataSource } from 'typeorm';

import { ConfirmationRecord, FactorRecord } from '../../lib/index.js';

/**
 * Obvious code that reads, decides and writes in separate statements. Each race test runs it too, and must see it fail: a
 * test in which it succeeds could not find the race.
 */
export class NaiveFactors {
  constructor(private readonly dataSource: DataSource) {}

  /** Confirms by a time step, or by a recovery code for `null`. */
  async confirm(id: string, factorId: string, step: number | null): Promise<boolean> {
    const confirmations = this.dataSource.getRepository(ConfirmationRecord);
    const factors = this.dataSource.getRepository(FactorRecord);
    const confirmation = await confirmations.findOneByOrFail({ id });
    const factor = await factors.findOneBy({ id: factorId });
    if (factor === null || confirmation.confirmedAt !== null) return false;
    if (step !== null && factor.counter >= step) return false;
    if (step === null) await factors.delete({ id: factorId });
    else await factors.update({ id: factorId }, { counter: step });
    const confirmedBy = step === null ? 'recovery' : 'totp';
    await confirmations.update({ id }, { confirmedAt: Date.now(), confirmedBy });
    return true;
  }

  async remove(subject: string, id: string): Promise<boolean> {
    const factors = this.dataSource.getRepository(FactorRecord);
    const all = await factors.findBy({ subject, method: 'totp' });
    if (all.length < 2) return false;
    await factors.delete({ id });
    return true;
  }

  /**
   * Ends what a factor has confirmed, tells the person, and then deletes it.
   *
   * @param tell ends when the person is told.
   */
  async endAndRemove(
    subject: string,
    factorId: string,
    tell: () => Promise<unknown>,
  ): Promise<void> {
    const confirmations = this.dataSource.getRepository(ConfirmationRecord);
    for (const { id } of await confirmations.findBy({ subject, factorId, usedAt: IsNull() })) {
      await confirmations.update({ id }, { cancelledAt: Date.now() });
    }
    await tell();
    await this.dataSource.getRepository(FactorRecord).delete({ id: factorId });
  }

  /** Activates an enrolment unless there is an active factor already. */
  async activateFirst(subject: string, id: string): Promise<boolean> {
    const factors = this.dataSource.getRepository(FactorRecord);
    const all = await factors.findBy({ subject, method: 'totp' });
    if (all.some(({ activatedAt }) => activatedAt !== null)) return false;
    await factors.update({ id }, { activatedAt: Date.now() });
    return true;
  }

  /** Remembers a device unless the subject has one. */
  async remember(subject: string): Promise<boolean> {
    const factors = this.dataSource.getRepository(FactorRecord);
    if ((await factors.countBy({ subject, method: 'device' })) > 0) return false;
    const id = randomBytes(18).toString('hex');
    const now = Date.now();
    const device = { id, subject, subjectKey: 'naive', method: 'device', createdAt: now };
    await factors.insert({ ...device, activatedAt: now });
    return true;
  }

  /** Activates a passkey unless a factor has its credential, which stands in the label here: the handle is unique. */
  async activatePasskey(id: string, credential: string): Promise<boolean> {
    const factors = this.dataSource.getRepository(FactorRecord);
    if ((await factors.countBy({ label: credential })) > 0) return false;
    await factors.update({ id }, { activatedAt: Date.now(), label: credential });
    return true;
  }
}
