export {
  DEVICE_METHOD,
  FACTORS_PURPOSE,
  type ConfiguredMethods,
  type MethodDefinition,
} from './methods.js';
export { DEFAULTS } from './defaults.js';
export { deviceTokenOf } from './device-token.js';
export type { ParsedNumber, DestinationRefusal, DestinationRules } from './destinations.js';
export { isDevelopment, NOT_DEVELOPMENT, showsReasons } from './development.js';
export { hasStrong, lacksFirstFactor } from './factors-purpose.js';
export { EXAMPLE_SECRET } from './example-secret.js';
export type {
  FailureLimitOptions,
  SprayDetectionOptions,
  LimitsOptions,
  NetworkSendLimit,
  PrefixLimitOptions,
  SendLimit,
  SendLimitsByClass,
} from './limits-options.interface.js';
export {
  countsRequests,
  type LimitClass,
  type ResolvedLimits,
} from './resolved-limits.interface.js';
export { assertVerboseName, maxBatchSize, resolveOptions } from './resolve-options.js';
export type { ResolvedOptions } from './resolved-options.interface.js';
export { formatValue, isInteger, isName, NAME_RULE, USE_WITHIN_SECONDS } from './settings.js';
export type { ResolvedMessages } from './messages.js';
export { callResolver, resolvedValue } from './resolvers.js';
export type { JsonValue } from './json-value.js';
export { isOneLine, ONE_LINE_RULE } from './one-line.js';
export type {
  AutoPurgeOptions,
  WorkerOptions,
  Clock,
  MessagesOptions,
  PurposeDefinition,
  SenderEntry,
  TestRecipientOptions,
  TwoFactorOptions,
} from './two-factor-options.interface.js';
export { refuseUnknown } from './validate.js';
export { purposeNamed, purposeAccess, type PurposeAccess } from './purpose-access.js';
