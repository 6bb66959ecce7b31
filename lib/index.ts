export { LoggerBackend } from './backends/logger/logger.backend.js';
export {
  ConfirmationRecord,
  ConfirmationState,
  ConfirmerService,
  type CheckInput,
  type ConfirmationReference,
  type ConfirmationResult,
  type ConfirmationStatus,
  type JsonValue,
  type MakeConfirmationInput,
  type ProofBinding,
  type PurgeInput,
  type SendContext,
  type TokenKind,
  type UseInput,
} from './confirmation/index.js';
export { digits, letters, type CodeGenerator } from './crypto/index.js';
export { SenderService, type SendOptions } from './delivery/index.js';
export {
  TwoFactorCodeMismatchError,
  TwoFactorConfigurationError,
  TwoFactorConfirmationRequiredError,
  TwoFactorConfirmationUsedError,
  TwoFactorConflictError,
  TwoFactorError,
  TwoFactorInputError,
  TwoFactorNoSubjectError,
  TwoFactorNotFoundError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  TwoFactorUnknownSecretError,
  type LimitName,
  type TwoFactorStateCode,
} from './errors/index.js';
export {
  TwoFactorEvents,
  type AttemptBlockedEvent,
  type AttemptFailedEvent,
  type ConfirmationEventBase,
  type ConfirmedEvent,
  type CreatedEvent,
  type BudgetExhaustedEvent,
  type SprayingSuspectedEvent,
  type LockedEvent,
  type MaskedRecipient,
  type ReuseRefusedEvent,
  type SendBlockedEvent,
  type SendFailedEvent,
  type SentEvent,
  type TwoFactorEvent,
  type UsedEvent,
} from './events/index.js';
export {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  TwoFactorHttpException,
  type ControllerOptions,
  type Problem,
  type RequireConfirmationOptions,
} from './http/index.js';
export {
  LimitRecord,
  LimitService,
  type FailureCount,
  type FailureRule,
  type FailureScope,
  type ConsumeResult,
  type QuotaRequest,
  type QuotaUsage,
  type LimitStore,
  type WindowRule,
} from './limits/index.js';
export { TWO_FACTOR_ENTITIES, twoFactorMigrations } from './migrations/index.js';
export type {
  AutoPurgeOptions,
  Clock,
  FailureLimitOptions,
  SprayDetectionOptions,
  LimitsOptions,
  NetworkSendLimit,
  PurposeDefinition,
  SendLimit,
  SendLimitsByClass,
  TwoFactorOptions,
} from './options/index.js';
export {
  TwoFactorService,
  type TwoFactorRequest,
  type TwoFactorRequestInput,
  type TwoFactorResendInput,
} from './request/index.js';
export {
  defineSender,
  functionalSenderBackend,
  SenderBackend,
  type Delivery,
  type ResolvedSender,
  type SendFunction,
  type SenderBackendFactory,
  type SenderBackendFactoryInput,
  type SenderBackendReference,
  type SenderBackends,
  type SenderDefinition,
} from './sender/index.js';
export { TwoFactorModule } from './two-factor.module.js';
export {
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
  type TwoFactorOptionsFactory,
} from './two-factor.module-definition.js';
export {
  InjectSenderBackends,
  SENDER_BACKENDS,
  TWO_FACTOR_LIMIT_STORE,
} from './two-factor.tokens.js';
