export { LoggerBackend } from './backends/logger/logger.backend.js';
export {
  ConfirmationRecord,
  ConfirmationState,
  ConfirmerService,
  type ConfirmationReference,
  type ConfirmationResult,
  type ConfirmationStatus,
  type JsonValue,
  type MakeConfirmationInput,
  type ProofBinding,
  type PurgeInput,
  type SendContext,
  type UseInput,
} from './confirmation/index.js';
export { digits, letters, type CodeGenerator } from './crypto/index.js';
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
  TwoFactorUnknownKeyError,
  type TwoFactorStateCode,
} from './errors/index.js';
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
export { TWO_FACTOR_ENTITIES, twoFactorMigrations } from './migrations/index.js';
export type {
  AutoPurgeOptions,
  Clock,
  PurposeDefinition,
  TwoFactorOptions,
} from './options/index.js';
export {
  TwoFactorService,
  type TwoFactorRequest,
  type TwoFactorRequestInput,
} from './request/index.js';
export {
  defineSender,
  functionalSenderBackend,
  SenderBackend,
  SenderService,
  type Delivery,
  type ResolvedSender,
  type Send,
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
export { InjectSenderBackends, SENDER_BACKENDS } from './two-factor.tokens.js';
