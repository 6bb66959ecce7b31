export { parseBinding, parseSubject, type ProofBinding } from './model/binding.js';
export { ConfirmationRecord, type ConfirmationRow } from './model/confirmation-record.entity.js';
export {
  ConfirmationState,
  refreshState,
  openContent,
  stateRow,
} from './model/confirmation-state.js';
export { STATE_CODES, statusOf, type ConfirmationStatus } from './model/confirmation-status.js';
export { ConfirmationStore, type PurgedBatch } from './store/confirmation.store.js';
export {
  ConfirmerService,
  idOf,
  parseContext,
  type CheckInput,
  type ConfirmationAttempt,
  type ConfirmationReference,
  type ConfirmationResult,
  type InitialMessage,
  type CreatedConfirmation,
  type MakeConfirmationInput,
  type SendContext,
  type UseInput,
} from './confirmer.service.js';
export { isEmailAddress } from './model/email-address.js';
export { EventPublisher } from './event-publisher.js';
export { maskToken } from './model/mask-token.js';
export { scopeOfContent, QuotaScopeResolver } from './quota-scope-resolver.js';
export { type JsonValue } from './model/plain-json.js';
export { ProofReservation } from './use/proof-reservation.js';
export { PurgeService, type PurgeInput } from './purge/purge.service.js';
export { pollBriefly } from './create/poll-briefly.js';
export { kindOf, type TokenKind } from './model/token-kind.js';
export { parseToken, parseWay } from './model/token.js';
