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
export {
  LimitService,
  limitsApplyToVerify,
  type CreationQuota,
  type QuotaReceipt,
  type QuotaKeys,
  type FailureCount,
  type QuotaDemand,
  type PendingSlotRequest,
  type ResetOnSuccess,
} from './limit.service.js';
export { parseAddress } from './networks.js';
export {
  classOf,
  type FailureScope,
  type LimitedMessage,
  type QuotaScope,
} from './quota-planner.js';
export { parseRequester } from './parse-requester.js';
