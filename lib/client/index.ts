export type {
  ActivateBody,
  ActivatedFactorAnswer,
  BegunAppAnswer,
  BegunPasskeyAnswer,
  CheckedConfirmation,
  ConfirmBody,
  ConfirmedConfirmation,
  EnrolBody,
  FactorAnswer,
  MethodName,
  RecoveryCodesAnswer,
  RemoveBody,
  RemovedFactorAnswer,
  RenamedFactor,
  RequestBody,
  RequestedConfirmation,
} from './answers.js';
export type { TabStorage } from './idempotency-keys.js';
export type {
  PasskeyAssertionJson,
  PasskeyCreationOptionsJson,
  PasskeyRegistrationJson,
  PasskeyRequestOptionsJson,
} from './passkeys.js';
export type { ProblemSlug, TwoFactorProblem, TwoFactorResult } from './problems.js';
export {
  createTwoFactorClient,
  type CallOptions,
  type FactorsClient,
  type TwoFactorClient,
  type TwoFactorClientSettings,
} from './two-factor-client.js';
