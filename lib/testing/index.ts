export {
  describeSenderBackend,
  type ProviderMessage,
  type SenderBackendContract,
  type SenderBackendFixture,
  type TestFramework,
} from './describe-sender-backend.js';
export {
  enrolledApp,
  enrolledPasskey,
  totpCode,
  type EnrolledApp,
  type EnrolledAuthenticator,
} from './enrolled-factors.js';
export { FakeClock, type Advance } from './fake-clock.js';
export { type AuthenticatorAlgorithm } from './authenticator-key.js';
export {
  SoftwareAuthenticator,
  type AssertionFault,
  type PasskeyFault,
  type SoftwareAuthenticatorOptions,
} from './software-authenticator.js';
export { TestInbox, type CapturedMessage, type TestInboxOptions } from './test-inbox.js';
export { sequentialCodes } from './sequential-codes.js';
export {
  TwoFactorTestingModule,
  type OverridableBuilder,
  type TwoFactorTestingOptions,
  type TwoFactorTestingOverrides,
} from './two-factor-testing.module.js';
