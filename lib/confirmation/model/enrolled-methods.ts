import type { EntityManager } from 'typeorm';

import type { MethodName } from '../../errors/index.js';
import type { ConfirmationRow } from './confirmation-record.entity.js';

/** What the use of a proof asks of the factors, whose room is above this one. */
export interface EnrolledMethods {
  /**
   * The methods beside a code that the subject of a confirmed confirmation can use now. The method that confirmed it counts as
   * long as the person has not removed what confirmed it: a recovery code is gone by its use, and the cookie of a remembered
   * device need not reach the route that uses the proof.
   *
   * @param deviceToken the token of the remembered device that the call brings, if it brings one.
   * @param manager of the transaction that uses the proof: SQLite has no other connection meanwhile.
   */
  enrolledFor(
    proof: ConfirmationRow,
    deviceToken: string | undefined,
    manager?: EntityManager,
  ): Promise<readonly MethodName[]>;
}

/** Injects the `EnrolledMethods`. */
export const ENROLLED_METHODS = Symbol('EnrolledMethods');
