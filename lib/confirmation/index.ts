export { parseBinding, parseSubject, type ProofBinding } from './model/binding.js';
export { ConfirmationRecord, type ConfirmationRow } from './model/confirmation-record.entity.js';
export {
  ConfirmationState,
  refreshState,
  openContent,
  stateRow,
} from './model/confirmation-state.js';
export { STATE_CODES, statusOf, type ConfirmationStatus } from './model/confirmation-status.js';
export { ConfirmationStates } from './confirmation-states.js';
export {
  ConfirmationCreator,
  type CreatedConfirmation,
  type InitialMessage,
} from './create/confirmation-creator.js';
export { ConfirmationStore, type PurgedBatch } from './store/confirmation.store.js';
export { CONFIRMATION_WRITER, type ConfirmationWriter } from './store/confirmation-writer.js';
export { openWriter } from './store/open-writer.js';
export { ConfirmationRedeemer } from './use/confirmation-redeemer.js';
export { CodeMethod } from './verify/code-method.js';
export {
  CONFIRMATION_METHODS,
  type ConfirmationMethod,
  type ConfirmationMethods,
} from './verify/confirmation-method.js';
export { ConfirmationVerifier } from './verify/confirmation-verifier.js';
export { ConfirmerService } from './confirmer.service.js';
export type {
  CheckInput,
  ConfirmationAttempt,
  ConfirmationReference,
  ConfirmationResult,
  MakeConfirmationInput,
  SendContext,
  UseInput,
} from './model/inputs.interface.js';
export { idOf, parseContext } from './model/parse-input.js';
export { isEmailAddress } from './model/email-address.js';
export { EventPublisher } from './event-publisher.js';
export { maskToken } from './model/mask-token.js';
export { scopeOfContent, QuotaScopeResolver } from './model/quota-scope-resolver.js';
export { type JsonValue } from './model/plain-json.js';
export { ProofReservation } from './use/proof-reservation.js';
export { PurgeService, type PurgeInput } from './purge/purge.service.js';
export { pollBriefly } from './store/poll-briefly.js';
export { kindOf, type TokenKind } from './model/token-kind.js';
export { parseToken, parseWay } from './model/token.js';
