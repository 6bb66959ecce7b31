import type { FactorView } from 'nestjs-two-factor';

const NAMES: Readonly<Record<string, string>> = {
  totp: 'An authenticator app',
  passkey: 'A passkey',
  device: 'A remembered browser',
};

/** What a customer can confirm with, as far as a notice tells of it. */
export interface KnownFactor {
  readonly id: string;
  readonly method: string;
  readonly createdAt: string;
  readonly left: number;
}

export const knownFactors = (factors: readonly FactorView[]): KnownFactor[] =>
  factors.map(({ id, method, createdAt, left = 0 }) => ({
    id,
    method,
    createdAt: new Date(createdAt).toISOString(),
    left,
  }));

/** The sentences of the mail that tells the owner which ways to confirm were added to the account, and which were removed. */
export function sentencesOf(before: readonly KnownFactor[], now: readonly KnownFactor[]): string[] {
  const isNew = ({ id }: KnownFactor): boolean => !before.some((each) => each.id === id);
  const isGone = ({ id }: KnownFactor): boolean => !now.some((each) => each.id === id);
  const name = ({ method }: KnownFactor): string => NAMES[method] ?? 'A way to confirm';
  const others = (factors: readonly KnownFactor[]): KnownFactor[] =>
    factors.filter(({ method }) => method !== 'recovery');
  return [
    ...others(now)
      .filter(isNew)
      .map((factor) => `${name(factor)} was added`),
    ...others(before)
      .filter(isGone)
      .map((factor) => `${name(factor)} was removed`),
    ...recoverySentence(recoveryIn(before), recoveryIn(now)),
  ];
}

/** Recovery codes are one factor, because a person sees and replaces the set as a whole. */
const recoveryIn = (factors: readonly KnownFactor[]): KnownFactor | undefined =>
  factors.find(({ method }) => method === 'recovery');

function recoverySentence(before: KnownFactor | undefined, now: KnownFactor | undefined): string[] {
  if (now === undefined) {
    return before === undefined ? [] : ['Your recovery codes were removed'];
  }
  if (before?.createdAt !== now.createdAt) return ['New recovery codes were made'];
  return now.left < before.left ? [`A recovery code was used (${now.left} left)`] : [];
}
