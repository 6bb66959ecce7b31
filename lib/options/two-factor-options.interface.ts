import type { ExecutionContext, Type } from '@nestjs/common';

import type { CodeGenerator } from '../crypto/index.js';
import type { JsonValue } from './json-value.js';
import type { LimitsOptions } from './limits-options.interface.js';

/** Tells the time. All expiry follows the application's clock, never the database's; run NTP. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

/** A way to deliver codes, as the sender room refines it (`SenderDefinition`). */
export interface SenderEntry {
  readonly verboseName?: string | undefined;
  readonly backend: unknown;
  readonly options?: unknown;
}

/**
 * What the controller and the guard may confirm under a name: an open purpose (`open: true`), or one that is bound to a
 * subject (`subject` and `recipient`).
 */
export interface PurposeDefinition {
  /**
   * The client names the token, and the proof is about that token alone: for sign-up, say. Excludes `subject` and
   * `recipient`.
   */
  readonly open?: true | undefined;
  /** Whom the proof is for (a user's id). Nothing means 403, never "no subject". */
  readonly subject?:
    | ((
        context: ExecutionContext,
      ) => string | null | undefined | Promise<string | null | undefined>)
    | undefined;
  /**
   * Where the subject's codes go by this way. Nothing means 403. The client cannot name a token then. With `'client'` it
   * must: the proof is for the subject, about that token, such as a new phone number.
   */
  readonly recipient?:
    | 'client'
    | ((
        context: ExecutionContext,
        way: string,
      ) => string | null | undefined | Promise<string | null | undefined>)
    | undefined;
  /**
   * The only senders whose codes prove it, by their names: no other is sent by, and a proof by another is none for `check`,
   * `use` and the guard. @default all
   */
  readonly senders?: readonly string[] | undefined;
  /**
   * What exactly a request over HTTP asks to have approved.
   *
   * - A class with `class-validator` decorators: the client gives the details, and the guarded route has them in its body.
   *   At most 16 members and 1 kB; each text needs `@MaxLength` of at most 70. For purposes with a `recipient` of yours
   *   alone: others would let a stranger write into messages to people.
   * - A function: what it answers are the details, and the client gives none.
   *
   * @default none; the client can give none
   */
  readonly details?:
    Type<object> | ((context: ExecutionContext) => JsonValue | Promise<JsonValue>) | undefined;
  /** Life of its confirmations in seconds, 30 to 600. @default the module's `ttlSeconds` */
  readonly ttlSeconds?: number | undefined;
}

/** Deletes dead rows in the background. */
export interface AutoPurgeOptions {
  /** Mean pause between two rounds, 10 to 86,400 seconds; each is jittered by a fifth. @default 600 */
  readonly everySeconds?: number | undefined;
  /** How long a row is kept after it can no longer be confirmed or used, 0 to 31,536,000 seconds. @default 86400 */
  readonly keepSeconds?: number | undefined;
}

/**
 * The options of the module, all optional but the secret. Every scalar may be overridden by an environment variable:
 * `ttlSeconds` by `TWO_FACTOR_TTL_SECONDS`, and so on; the environment never loosens what the code sets.
 *
 * @publicApi
 */
export interface TwoFactorOptions {
  /**
   * At least 32 random bytes, as text (`openssl rand -base64 32`) or bytes; keep it outside the database. Words, patterns,
   * repetitions and texts that this package prints are refused. Without one the module draws one of its own if `NODE_ENV`
   * is `development` or `test`, and refuses to boot otherwise.
   */
  readonly secret?: string | Uint8Array | undefined;
  /**
   * Instead of `secret`, to rotate: the first signs, all verify. Secrets of the environment must then be all of these, and
   * may be more: a variable that drops one is refused.
   */
  readonly secrets?: readonly (string | Uint8Array)[] | undefined;
  /**
   * The name of this application, where several share a secret and a table: 1 to 64 of a-z, 0-9 and "-". All keys are
   * derived with it, so that none can confirm, use or open what another one made, and none counts another's messages and
   * failures. A new name ends all confirmations, as a new secret does. @default none
   */
  readonly application?: string | undefined;
  /** The ways to deliver a code, by the name that clients give as `way`. @default {} */
  readonly senders?: Readonly<Record<string, SenderEntry>> | undefined;
  /** The sender that is meant when none is named. @default 'default' */
  readonly defaultSender?: string | undefined;
  /** Draws the codes: 6 to 64 printable ASCII characters. @default digits(6) */
  readonly codeGenerator?: CodeGenerator | undefined;
  /**
   * Puts the code into the answers of the controller. Needs `NODE_ENV` to be `development` or `test`. @default false
   */
  readonly debugCodeResponse?: boolean | undefined;
  /**
   * What the controller and the guard may confirm. Without any, the open purpose without a name is there; beside others it
   * must be declared, as `'': { open: true }`. @default {}
   */
  readonly purposes?: Readonly<Record<string, PurposeDefinition>> | undefined;
  /** How long a code can be confirmed, 30 to 600 seconds (NIST SP 800-63B-4 3.1.3.2). @default 600 */
  readonly ttlSeconds?: number | undefined;
  /** How long a confirmed confirmation can be used, 10 to 900 seconds (PSD2 RTS art. 4(3)(d)). @default 300 */
  readonly useWithinSeconds?: number | undefined;
  /** Wrong codes that one confirmation survives, less one: 1 to 10 (PSD2 RTS art. 4(3)(b)). @default 5 */
  readonly maxAttempts?: number | undefined;
  /** Messages that one confirmation may cause, 1 to 10. @default 5 */
  readonly maxSends?: number | undefined;
  /**
   * Pauses before the second, third, ... message of one confirmation, 5 to 3,600 seconds each, the last one repeating.
   * @default [30, 60, 120, 300]
   */
  readonly cooldownSeconds?: readonly number[] | undefined;
  /** `same` repeats the code (people type the one of the mail that came first), `rotate` replaces it. @default 'same' */
  readonly resend?: 'same' | 'rotate' | undefined;
  /** Background deletion of dead rows; `false` when something else calls `purge()`. @default {} */
  readonly autoPurge?: AutoPurgeOptions | false | undefined;
  /**
   * What holds across confirmations: guesses at a token or a subject, pending confirmations, messages. `false` switches all
   * of it off. @default {}
   */
  readonly limits?: LimitsOptions | false | undefined;
  /** Longest wait for the database, pool included, 100 to 60,000 milliseconds. @default 5000 */
  readonly databaseTimeoutMs?: number | undefined;
  /** Longest wait for a sender backend, 100 to 60,000 milliseconds (ASVS 5.0 13.1.3). @default 10000 */
  readonly sendTimeoutMs?: number | undefined;
  /**
   * On PostgreSQL by name, on MariaDB by `mysql2`, if nobody is told of statements; given up by itself where server or
   * pooler refuse them. @default true
   */
  readonly preparedStatements?: boolean | undefined;
  /**
   * On PostgreSQL, calls that come while the database is busy go together, each with its own guards and its own answer: up
   * to 128, or `maxSize` (2 to 1,000). `false` for each by itself. @default true
   */
  readonly batching?: boolean | { readonly maxSize: number } | undefined;
  /** Tells the time. @default the system clock */
  readonly clock?: Clock | undefined;
  /** Whether `TWO_FACTOR_*` environment variables are read, once, at boot. @default true */
  readonly env?: boolean | undefined;
}
