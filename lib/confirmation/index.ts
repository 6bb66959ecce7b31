export { parseBinding, parseSubject, type ProofBinding } from './binding.js';
export { ConfirmationRecord, type ConfirmationRow } from './confirmation-record.entity.js';
export { ConfirmationState, refreshState, sealedOf, stateRow } from './confirmation-state.js';
export { STATE_CODES, statusOf, type ConfirmationStatus } from './confirmation-status.js';
export { ConfirmationStore, type PurgedBatch } from './confirmation.store.js';
export {
  ConfirmerService,
  idOf,
  parseContext,
  type CheckInput,
  type ConfirmationAttempt,
  type ConfirmationReference,
  type ConfirmationResult,
  type FirstMessage,
  type MadeConfirmation,
  type MakeConfirmationInput,
  type SendContext,
  type UseInput,
} from './confirmer.service.js';
export { isEmailAddress } from './email-address.js';
export { EventTeller } from './event-teller.js';
export { maskToken } from './mask-token.js';
export { partyOfContent, PartyReader } from './party-reader.js';
export { type JsonValue } from './plain-json.js';
export { ProofReservation } from './proof-reservation.js';
export { PurgeService, type PurgeInput } from './purge.service.js';
export { soon } from './soon.js';
export { kindOf, type TokenKind } from './token-kind.js';
export { parseToken, parseWay } from './token.js';
