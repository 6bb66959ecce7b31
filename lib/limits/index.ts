export { canonicalToken } from './canonical-token.js';
export type { LimitClauses } from './store/dialects/limit-clauses.js';
export { DatabaseLimitStore } from './store/database-limit.store.js';
export { SprayDetector } from './spray-detector.js';
export { NoLimitStore } from './store/no-limit.store.js';
export { LimitRecord } from './store/limit-record.entity.js';
export type {
  FailureRule,
  ConsumeResult,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
  WindowRule,
} from './store/limit-store.interface.js';
export { LimitService, type FailureCount } from './limit.service.js';
export {
  limitsApplyToVerify,
  QuotaLedger,
  type CreationPlan,
  type CreationQuota,
  type PendingSlotRequest,
  type QuotaDemand,
  type QuotaKeys,
  type QuotaReceipt,
} from './quota-ledger.js';
export { limitOf } from './quota-refusal.js';
export { ownerOf } from './store/slot-owner.js';
export { parseAddress } from './networks.js';
export {
  classOf,
  type FailureScope,
  type LimitedMessage,
  type QuotaScope,
} from './quota-planner.js';
export { parseRequester } from './parse-requester.js';
