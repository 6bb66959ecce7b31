import { TwoFactorUnknownSecretError } from '../../errors/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { NewFactor } from './factor-changes.js';
import type { FactorContext } from './factor-method.js';
import type { FactorRow } from './factor-record.entity.js';

type Settings = Pick<ResolvedOptions, 'application' | 'clock' | 'keyRing'>;

/** The key ring, the application, the subject and the time, by which a method creates factors and judges responses. */
export function contextOf(
  { keyRing, application, clock }: Settings,
  subject: string,
): FactorContext {
  return { keyRing, application, subject, now: clock.now() };
}

/** A pending factor to be inserted. */
export function newFactor(
  given: Pick<FactorRow, 'data' | 'id' | 'label' | 'method' | 'subject'>,
  now: number,
): NewFactor {
  const { id, subject, method, label, data } = given;
  const times = { createdAt: now, activatedAt: null };
  return { id, subject, method, label, data, handle: null, counter: 0, ...times };
}

/** The row of a factor that is being inserted, from which its view is made without a read. */
export function rowOf(factor: NewFactor): FactorRow {
  return {
    application: '',
    subjectKey: '',
    lastUsedAt: null,
    expiresAt: null,
    isIntact: true,
    ...factor,
  };
}

/** The refusal of an authenticator that is not intact. */
export function unknownSecret(): TwoFactorUnknownSecretError {
  return new TwoFactorUnknownSecretError(
    'The authenticator was sealed under a secret that is not in the ring, or its row was changed by hand. Enrol it again.',
  );
}
