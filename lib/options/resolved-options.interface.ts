import type { CodeGenerator, KeyRing } from '../crypto/index.js';
import type { ResolvedMessages } from './messages.js';
import type { ConfiguredMethods } from './methods.js';
import type { ResolvedLimits } from './resolved-limits.interface.js';
import type { ResolvedTestRecipient } from './test-recipients.js';
import type { UnknownVariable } from './unknown-variables.js';
import type { Clock, PurposeDefinition, SenderEntry } from './two-factor-options.interface.js';

/** The resolved options: complete, validated, frozen, and without raw secrets. */
export interface ResolvedOptions {
  readonly keyRing: KeyRing;
  /** Whether the secret was drawn at boot, so that confirmations end with the process. */
  readonly secretIsRandom: boolean;
  /** Whether a secret of the environment replaces another secret of the options. */
  readonly secretIsReplaced: boolean;
  /** Variables of the environment that nothing reads. */
  readonly unknownVariables: readonly UnknownVariable[];
  /** The empty string when the application has no name. */
  readonly application: string;
  readonly senders: ReadonlyMap<string, SenderEntry>;
  readonly defaultSender: string;
  readonly codeGenerator: CodeGenerator;
  readonly debugCodeResponse: boolean;
  readonly messages: ResolvedMessages;
  /** Empty without the option `methods`: a code is then the only one, and no factor is ever read. */
  readonly methods: ConfiguredMethods;
  readonly purposes: ReadonlyMap<string, PurposeDefinition>;
  /** `null` for none, as in nearly every application. */
  readonly testRecipients: readonly ResolvedTestRecipient[] | null;
  readonly ttlSeconds: number;
  readonly useWithinSeconds: number;
  readonly maxAttempts: number;
  readonly maxSends: number;
  readonly cooldownSeconds: readonly number[];
  readonly resend: 'same' | 'rotate';
  readonly autoPurge: { readonly everySeconds: number; readonly keepSeconds: number } | false;
  readonly limits: ResolvedLimits;
  readonly databaseTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly delivery: 'inline' | 'queued';
  /** `false` where the application sweeps the queue itself. */
  readonly worker: { readonly concurrency: number; readonly pollSeconds: number } | false;
  readonly preparedStatements: boolean;
  readonly batching: boolean | { readonly maxSize: number };
  readonly clock: Clock;
  /** Whether `NODE_ENV` is `development` or `test`. */
  readonly developmentFeatures: boolean;
}
