export { brand } from './brand.js';
export {
  COPIES_REMEDY,
  copiesHint,
  otherCopies,
  registerCopy,
  type PackageCopy,
} from './copies.js';
export { expectInput, inputMembers } from './expect-input.js';
export { messageAndCauseOf, messageOf } from './message-of.js';
export { BY_HAND, type ConfirmedBy, type MethodName } from './method-name.js';
export { TwoFactorError } from './two-factor.error.js';
export { TwoFactorCallError } from './two-factor-call.error.js';
export { TwoFactorCodeMismatchError } from './two-factor-code-mismatch.error.js';
export { TwoFactorConfigurationError } from './two-factor-configuration.error.js';
export { TwoFactorConfirmationRequiredError } from './two-factor-confirmation-required.error.js';
export { TwoFactorConfirmationUsedError } from './two-factor-confirmation-used.error.js';
export { TwoFactorConflictError } from './two-factor-conflict.error.js';
export { TwoFactorInputError } from './two-factor-input.error.js';
export { TwoFactorKeyReusedError } from './two-factor-key-reused.error.js';
export { TwoFactorNoMethodError } from './two-factor-no-method.error.js';
export { TwoFactorNoRecipientError } from './two-factor-no-recipient.error.js';
export { TwoFactorNoSubjectError } from './two-factor-no-subject.error.js';
export { TwoFactorNotFoundError } from './two-factor-not-found.error.js';
export { TwoFactorRecipientError } from './two-factor-recipient.error.js';
export { TwoFactorSendError } from './two-factor-send.error.js';
export { TwoFactorStateError, type TwoFactorStateCode } from './two-factor-state.error.js';
export {
  TwoFactorTooManyRequestsError,
  type LimitName,
} from './two-factor-too-many-requests.error.js';
export { TwoFactorUnavailableError } from './two-factor-unavailable.error.js';
export { TwoFactorUnknownSecretError } from './two-factor-unknown-secret.error.js';
