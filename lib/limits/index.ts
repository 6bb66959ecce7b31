export { canonicalToken } from './canonical-token.js';
export type { LimitClauses } from './store/dialects/limit-clauses.js';
export type { LimitJoins, QuotaRoleLetters } from './store/dialects/limit-joins.js';
export { PERMANENT_WAIT_MS } from './store/dialects/mysql-answer.js';
export { DatabaseLimitStore } from './store/database-limit.store.js';
export { SprayDetector } from './spray-detector.js';
export { NoLimitStore } from './store/no-limit.store.js';
export { LimitRecord } from './store/limit-record.entity.js';
export type {
  FailureRule,
  ConsumeResult,
  QuotaAddition,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
  WindowRule,
} from './store/limit-store.interface.js';
export { LimitService, type FailureCount } from './limit.service.js';
export { limitsApplyToVerify, QuotaLedger } from './quota-ledger.js';
export type { Tally } from './prefixes/prefix-counts.js';
export type { PrefixLedger } from './prefixes/prefix-ledger.js';
export type {
  CreationPlan,
  CreationQuota,
  PendingSlotRequest,
  QuotaDemand,
  QuotaKeys,
  QuotaReceipt,
} from './quota-demand.js';
export { COARSE_WAIT_MS, limitOfError } from './quota-refusal.js';
export { ownerHashOf } from './store/slot-owner.js';
export { parseAddress } from './networks.js';
export { messageClassOf } from './message-class.js';
export {
  type FailureScope,
  type LimitedMessage,
  type MessagelessRequest,
  type QuotaScope,
} from './quota-planner.js';
export { parseRequester } from './parse-requester.js';
