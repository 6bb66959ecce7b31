export {
  describeSenderBackend,
  type ProviderMessage,
  type SenderBackendContract,
  type SenderBackendFixture,
  type TestFramework,
} from './describe-sender-backend.js';
export { FakeClock, type Advance } from './fake-clock.js';
export { TestInbox, type CapturedMessage, type TestInboxOptions } from './test-inbox.js';
export { sequentialCodes } from './sequential-codes.js';
export {
  TwoFactorTestingModule,
  type OverridableBuilder,
  type TwoFactorTestingOptions,
  type TwoFactorTestingOverrides,
} from './two-factor-testing.module.js';
