export { canonicalToken } from './canonical-token.js';
export type { LimitClauses } from './dialects/limit-clauses.js';
export { DatabaseLimitStore } from './database-limit.store.js';
export { SprayDetector } from './spray-detector.js';
export { NoLimitStore } from './no-limit.store.js';
export { LimitRecord } from './limit-record.entity.js';
export type {
  FailureRule,
  ConsumeResult,
  QuotaRequest,
  QuotaUsage,
  LimitStore,
  WindowRule,
} from './limit-store.interface.js';
export {
  LimitService,
  watchesConfirm,
  type Bid,
  type Charged,
  type CountedUnder,
  type FailureCount,
  type LimitedRequest,
  type Opens,
  type Settlement,
} from './limit.service.js';
export { parseAddress } from './networks.js';
export {
  classOf,
  type FailureScope,
  type LimitedMessage,
  type LimitedParty,
} from './quota-planner.js';
export { parseRequester } from './parse-requester.js';
