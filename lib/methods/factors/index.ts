export {
  FactorMethod,
  type ActivationEvidence,
  type BegunEnrolment,
  type DrawnCode,
  type EnrolmentInput,
  type FactorContext,
  type FactorEnrolment,
  type FactorEvidence,
  type RememberedFactor,
  type SubjectFactors,
  type VerificationContext,
} from './factor-method.js';
export type { FactorRow } from './factor-record.entity.js';
