import { isId } from '../crypto/index.js';
import { TwoFactorInputError } from '../errors/index.js';
import { RECOVERY } from '../methods/index.js';
import { FACTORS_PURPOSE, type ConfiguredMethods } from '../options/index.js';

/** A change of a person's factors, as the details of the proof for it. */
export type FactorChangeDetails =
  | { readonly change: 'enrol'; readonly method: string }
  | { readonly change: 'rename'; readonly factor: string }
  | { readonly change: 'remove'; readonly factor: string; readonly allowLast?: true }
  | { readonly change: 'recovery-codes' };

const SHAPES =
  "{ change: 'enrol', method }, { change: 'rename', factor }, { change: 'remove', factor, allowLast?: true } or { change: 'recovery-codes' }";

/**
 * The details of the purpose `factors`: exactly one change. A proof that a person gave to rename an authenticator must not enrol
 * that of a thief, and one for the removal of one of two must not remove the last one, with which all others go.
 */
export class FactorDetails {
  constructor(private readonly methods: ConfiguredMethods) {}

  /** @throws TwoFactorInputError for anything but one of the changes. Its message contains no given value. */
  parse(given: unknown): FactorChangeDetails {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongDetails();
    const { change, method, factor, allowLast, ...others } = given as Readonly<
      Record<string, unknown>
    >;
    const members = Object.keys(given).length;
    if (Object.keys(others).length > 0) throw wrongDetails();
    if (change === 'recovery-codes' && members === 1) return { change };
    if (change === 'enrol' && members === 2)
      return { change, method: this.#enrollableMethod(method) };
    if ((change === 'rename' || change === 'remove') && members === 2 && isFactor(factor)) {
      return { change, factor };
    }
    if (change === 'remove' && members === 3 && isFactor(factor) && allowLast === true) {
      return { change, factor, allowLast };
    }
    throw wrongDetails();
  }

  /**
   * A person enrols only authenticators. Recovery codes are made with the first one, and devices are remembered after a proof.
   *
   * @throws TwoFactorInputError for any other method, and for one that is not configured. Its message contains no given value.
   */
  #enrollableMethod(method: unknown): string {
    if (typeof method === 'string' && this.methods.get(method)?.isStrong === true) return method;
    const names = [...this.methods.values()].flatMap(({ name, isStrong }) =>
      isStrong ? name : [],
    );
    const detail = `A person can enrol ${names.join(' or ')} here, and no other method.`;
    throw new TwoFactorInputError(detail, { detail });
  }
}

function isFactor(factor: unknown): factor is string {
  return factor === RECOVERY || (typeof factor === 'string' && isId(factor));
}

function wrongDetails(): TwoFactorInputError {
  const detail = `The details of the purpose "${FACTORS_PURPOSE}" are ${SHAPES}, and nothing else.`;
  return new TwoFactorInputError(detail, { detail });
}
