export { DEFAULTS } from './defaults.js';
export { isDevelopment, NOT_DEVELOPMENT } from './development.js';
export { EXAMPLE_SECRET } from './example-secret.js';
export type {
  FailureLimitOptions,
  SprayDetectionOptions,
  LimitsOptions,
  NetworkSendLimit,
  SendLimit,
  SendLimitsByClass,
} from './limits-options.interface.js';
export { limitsSends, type LimitClass, type ResolvedLimits } from './resolved-limits.interface.js';
export { assertVerboseName, maxBatchSize, resolveOptions } from './resolve-options.js';
export type { ResolvedOptions } from './resolved-options.interface.js';
export { isName, NAME_RULE } from './settings.js';
export type { JsonValue } from './json-value.js';
export { isOneLine, ONE_LINE_RULE } from './one-line.js';
export type {
  AutoPurgeOptions,
  Clock,
  PurposeDefinition,
  SenderEntry,
  TwoFactorOptions,
} from './two-factor-options.interface.js';
export { purposeNamed, purposeAccess, type PurposeAccess } from './purpose-access.js';
