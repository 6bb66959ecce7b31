import type { ConfirmationRow, ConfirmationStore } from '../../confirmation/index.js';
import { TwoFactorConfirmationRequiredError } from '../../errors/index.js';
import type { ChangeCondition } from './change-condition.js';
import { assertStillThere } from './enrolled-factors.js';

/**
 * Requires that what confirmed a used proof of the subject is still there. The guard of a route, or `use`, may have asked before the owner's
 * removal has committed: a thief would begin an enrolment afterwards, whose activation asks for no other proof.
 */
export function proofCondition(
  confirmations: ConfirmationStore,
  subject: string,
  confirmation: string,
): ChangeCondition {
  let proof: ConfirmationRow | null = null;
  return {
    *before() {
      proof = yield* confirmations.findSteps(confirmation);
    },
    judge(known) {
      if (proof === null || proof.usedAt === null || proof.subject !== subject) {
        throw new TwoFactorConfirmationRequiredError(
          'The member confirmation names no proof of this subject that was used. Use it before, in the same transaction.',
        );
      }
      assertStillThere(proof, known);
    },
  };
}
