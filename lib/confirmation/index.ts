export { parseBinding, parseSubject, type ProofBinding } from './model/binding.js';
export { ConfirmationRecord, type ConfirmationRow } from './model/confirmation-record.entity.js';
export {
  ConfirmationState,
  refreshState,
  openContent,
  stateRow,
} from './model/confirmation-state.js';
export {
  STATE_ERROR_CODES,
  statusOf,
  type ConfirmationStatus,
} from './model/confirmation-status.js';
export { ConfirmationStates } from './confirmation-states.js';
export { PrefixWatch } from './prefix-watch.js';
export {
  ConfirmationCreator,
  type CreatedConfirmation,
  type InitialMessage,
} from './create/confirmation-creator.js';
export { TestRecipients } from './create/test-recipients.js';
export { ConfirmationStore } from './store/confirmation.store.js';
export {
  endedRows,
  purgeEnded,
  type EndedRows,
  type PurgedBatch,
} from './store/dialects/ended-rows.js';
export {
  CONFIRMATION_WRITER,
  type ConfirmationWriter,
  type Verification,
} from './store/confirmation-writer.js';
export { chooseWriter } from './store/open-writer.js';
export { rowFromRecord } from './store/row-mapping.js';
export type { QueuedMessage } from './store/dialects/queue-clauses.js';
export type { FactorTable, StatementContext } from './store/dialects/confirmation-dialect.js';
export { DIALECTS, pendingClause } from './store/dialects/statements.js';
export { ConfirmationRedeemer } from './use/confirmation-redeemer.js';
export { CodeMethod } from './verify/code-method.js';
export {
  CONFIRMATION_METHODS,
  WrongResponse,
  type Attempt,
  type ChargedAttempt,
  type ConfirmationMethod,
  type ConfirmationMethods,
} from './verify/confirmation-method.js';
export { ConfirmationVerifier, type VerifyOptions } from './verify/confirmation-verifier.js';
export { ConfirmerService } from './confirmer.service.js';
export type {
  CheckInput,
  ChallengeInput,
  ConfirmationAttempt,
  ConfirmationReference,
  ConfirmationResult,
  MakeConfirmationInput,
  MethodResponse,
  SendContext,
  UseInput,
} from './model/inputs.interface.js';
export {
  assertSubjectMethods,
  idOf,
  parseBatchSize,
  parseContext,
  parseIdempotencyKey,
  parseTokenFrom,
} from './model/parse-input.js';
export { DELIVERY_UPKEEP, type DeliveryUpkeep } from './model/delivery-upkeep.js';
export { ENROLLED_METHODS, type EnrolledMethods } from './model/enrolled-methods.js';
export { FACTOR_UPKEEP, type FactorUpkeep, type IdWindow } from './model/factor-upkeep.js';
export type {
  PasskeyAssertionResponse,
  PasskeyCreationOptions,
  PasskeyDescriptor,
  PasskeyRegistrationResponse,
  PasskeyRequestOptions,
} from './model/passkey-json.js';
export { isAccessible } from './model/is-accessible.js';
export { subjectColumn, subjectFromColumn, subjectInColumn } from './model/ascii-columns.js';
export {
  allowsMethod,
  assertMethodList,
  CODE_ALONE,
  CODE_METHOD,
  methodsOf,
  parseMethods,
} from './model/methods.js';
export { isEmailAddress } from './model/email-address.js';
export { EventPublisher, type DeliveryDropReason } from './event-publisher.js';
export { maskToken } from './model/mask-token.js';
export { scopeOfContent, QuotaScopeResolver } from './model/quota-scope-resolver.js';
export { type JsonValue } from './model/plain-json.js';
export { ProofReservation } from './use/proof-reservation.js';
export type { ProofRefusal } from './use/proof-refusal.js';
export type { ProofSpending } from './use/proof-spending.js';
export { PurgeService, type PurgeInput } from './purge/purge.service.js';
export { pollBriefly } from './store/poll-briefly.js';
export { kindOf, type TokenKind } from './model/token-kind.js';
export { parseToken, parseWay } from './model/token.js';
