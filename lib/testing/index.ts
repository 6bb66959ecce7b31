export {
  describeSenderBackend,
  type ProvidedMessage,
  type SenderBackendContract,
  type SenderBackendFixture,
  type TestFramework,
} from './describe-sender-backend.js';
export { FakeClock, type Advance } from './fake-clock.js';
export { Outbox, type OutboxMessage, type OutboxOptions } from './outbox.js';
export { sequenceCodes } from './sequence-codes.js';
export {
  TwoFactorTestingModule,
  type OverridingBuilder,
  type TwoFactorTestingOptions,
  type TwoFactorTestingOverrides,
} from './two-factor-testing.module.js';
