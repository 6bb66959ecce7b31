import type { MethodName } from '../../errors/index.js';
import type { ConfiguredMethods } from '../../options/index.js';
import type { TransactionSteps } from '../../database/index.js';
import type { SubjectFactors } from './factor-method.js';
import type { FactorRow } from './factor-record.entity.js';

/** What a change of a subject's factors requires, in the transaction of the change. */
export interface ChangeCondition {
  /** The first statements of the transaction: confirmations are locked before factors. What it throws undoes the change. */
  before(): TransactionSteps<void>;
  /**
   * Judges the factors, pending ones too, once no other change of them can run. What it throws undoes the change, and what
   * `before` has written.
   */
  judge(known: SubjectFactors): void;
}

/** The names of the configured methods that a subject with these factors can use. */
export function methodsOfFactors(
  factors: readonly FactorRow[],
  configured: ConfiguredMethods,
): readonly MethodName[] {
  const active = new Set(
    factors.filter(({ activatedAt }) => activatedAt !== null).map(({ method }) => method),
  );
  return [...configured.values()].map(({ name }) => name).filter((name) => active.has(name));
}
