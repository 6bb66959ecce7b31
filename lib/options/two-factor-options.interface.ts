import type { ExecutionContext, Type } from '@nestjs/common';

import type { CodeGenerator } from '../crypto/index.js';
import type { MethodName } from '../errors/index.js';
import type { PartialMessageTexts } from '../messages/index.js';
import type { DestinationRules } from './destinations.js';
import type { JsonValue } from './json-value.js';
import type { LimitsOptions } from './limits-options.interface.js';
import type { MethodDefinition } from './methods.js';

/** A source of time. All expiry follows the clock of the application, never that of the database, so run NTP. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

/** An entry of the option `senders`; `SenderDefinition` is its complete type. */
export interface SenderEntry {
  readonly verboseName?: string | undefined;
  readonly backend: unknown;
  readonly options?: unknown;
  readonly destinations?: DestinationRules | undefined;
}

/**
 * A purpose for the controller and the guard: an open one (`open: true`), or one that is bound to a subject (`subject` and
 * `recipient`).
 */
export interface PurposeDefinition {
  /**
   * The client names the phone number or address, and the proof is about that one only, for example at sign-up. It excludes
   * `subject` and `recipient`.
   */
  readonly open?: true | undefined;
  /** Returns the subject of the proof, such as a user's id. Without a result the call is refused with 403. */
  readonly subject?:
    | ((
        context: ExecutionContext,
      ) => string | null | undefined | Promise<string | null | undefined>)
    | undefined;
  /**
   * Whether `subject` returns what an anonymous client claims, such as the user name of a person who has forgotten the password. The
   * messages of the purpose are then counted for the requester and its network and in the total of the class `open`, so that
   * a stranger who names a thousand users cannot use up the messages of signed-in users. The messages and the wrong codes of the person
   * are counted for the phone number or address alone, apart from those of all other purposes: one person may be found under several
   * spellings of a name. What begins without a message is counted for the requester alone, and no wait is exact: it would reveal when
   * the person asked for a code. @default false
   */
  readonly claimedSubject?: boolean | undefined;
  /**
   * Returns the phone number or address that receives the subject's codes by this sender (`way`). Without a result the call is
   * refused with 422 `no-recipient`. The client must not name a phone number or address. With `'client'` instead of a function the client
   * must name one, and the proof is about that phone number or address of the subject, such as a new one.
   */
  readonly recipient?:
    | 'client'
    | ((
        context: ExecutionContext,
        way: string,
      ) => string | null | undefined | Promise<string | null | undefined>)
    | undefined;
  /**
   * The names of the senders that this purpose allows. Codes are sent by these only, and `check`, `use` and the guard accept proofs
   * by these only. @default all
   */
  readonly senders?: readonly string[] | undefined;
  /**
   * The methods any of which suffices, in order of preference: `code`, and those of the option `methods`. The weakest one
   * decides how strong a proof is. A function receives the context and the methods that the subject has, and can ask for the
   * app of a person who has one. It is asked again when a proof is used, and a proof by a method that it does not return any more is
   * refused then. Without a `recipient`, `code` is left out. @default ['code']; of the purpose `factors` a code
   * for the first authenticator, and then an authenticator or a recovery code
   */
  readonly methods?:
    | readonly MethodName[]
    | ((
        context: ExecutionContext,
        enrolled: readonly MethodName[],
      ) => readonly MethodName[] | Promise<readonly MethodName[]>)
    | undefined;
  /**
   * Only of the purpose `factors`, without a `recipient`: what lets a person enrol the first authenticator over HTTP where no
   * code can be sent. `session`: the session that `subject` reads is enough, so that a stolen session enrols an authenticator
   * of the thief for a person who has none. @default none; nothing is enrolled over HTTP then, of
   * which a warning tells at boot
   */
  readonly firstFactor?: 'session' | undefined;
  /**
   * The details that a confirmation of this purpose approves, for requests over HTTP.
   *
   * - A class with `class-validator` decorators: the client sends the details, and again in the body of the guarded route. At most
   *   16 members and 1 kB; each text needs `@MaxLength` of at most 70. Not for open purposes and `recipient: 'client'`,
   *   because a stranger could otherwise write texts into messages to any recipient. A purpose whose `methods` have no `code` needs
   *   no recipient.
   * - A function: its result is the details, and the client sends none.
   *
   * @default none; the client can send none
   */
  readonly details?:
    Type<object> | ((context: ExecutionContext) => JsonValue | Promise<JsonValue>) | undefined;
  /**
   * Writes what a code of this purpose approves into its message, one line of at most 200 characters: `Pay 120.00 EUR to ACME`.
   * `null` shows nothing. When it throws, nothing is sent: a code for a payment without the payment is worse than none (PSD2 RTS
   * art. 5(1)(a)). @default each member of the details in a line of its own
   */
  readonly detailsText?:
    | ((
        details: JsonValue,
        about: { readonly language: string | undefined },
      ) => string | null | Promise<string | null>)
    | undefined;
  /** Life of a code of this purpose, 30 to 600 seconds. @default the module's `ttlSeconds` */
  readonly ttlSeconds?: number | undefined;
}

/**
 * What the messages of this package say. There are texts in English, French, German, Portuguese of Portugal and of Brazil, Spanish and
 * Ukrainian.
 *
 * @publicApi
 */
export interface MessagesOptions {
  /** The name of your product in messages, 1 to 40 characters. @default none */
  readonly product?: string | undefined;
  /**
   * The origin of your pages, such as `https://bank.example`. Text messages then end with a line that lets browsers offer the code on
   * these pages and on no others (WICG, Origin-bound one-time codes). @default none
   */
  readonly origin?: string | undefined;
  /** The language of messages for requests that name no language, or one without texts, as a BCP 47 tag. @default 'en' */
  readonly language?: string | undefined;
  /**
   * Texts of your own by BCP 47 tag. For a language that this package has texts in, and for a dialect of it, give the texts that differ;
   * for any other language give all of them. @default {}
   */
  readonly texts?: Readonly<Record<string, PartialMessageTexts>> | undefined;
}

/**
 * A recipient with a fixed code, with which the reviewer of an app store signs in: nothing is sent to it.
 *
 * @publicApi
 */
export interface TestRecipientOptions {
  /** The address or number that the reviewer types, 1 to 320 characters, in any spelling. */
  readonly token: string;
  /** The fixed code, 6 to 64 printable ASCII characters. */
  readonly code: string;
  /** The purposes that the code confirms, at least one, and never `factors`. An empty name is the purpose without a name. */
  readonly purposes: readonly string[];
  /** From this time on it is an ordinary recipient. At most 90 days after the boot. */
  readonly validUntil: Date;
}

/** The worker that sends queued messages. */
export interface WorkerOptions {
  /**
   * Messages of one sender that an instance sends at once, 1 to 64. While all of them go to recipients that clients have named, one
   * to a recipient that the application names for a subject is sent beside them. @default 4
   */
  readonly concurrency?: number | undefined;
  /**
   * Mean pause between two looks for messages that are due, such as those of an instance that has crashed, 1 to 300 seconds.
   * Each pause varies by a fifth. A message that this instance has queued does not wait for it. @default 5
   */
  readonly pollSeconds?: number | undefined;
}

/** The background deletion of rows that can no longer be confirmed or used. */
export interface AutoPurgeOptions {
  /** Mean pause between two rounds, 10 to 86,400 seconds. Each pause varies by a fifth. @default 600 */
  readonly everySeconds?: number | undefined;
  /** How long a row is kept after it could last be confirmed or used, 0 to 31,536,000 seconds. @default 86400 */
  readonly keepSeconds?: number | undefined;
}

/**
 * The options of the module. All are optional except the secret. An environment variable overrides each scalar option:
 * `TWO_FACTOR_TTL_SECONDS` overrides `ttlSeconds`. A variable that is less safe than the option is refused.
 *
 * @publicApi
 */
export interface TwoFactorOptions {
  /**
   * At least 32 random bytes, as text (`openssl rand -base64 32`) or as bytes. Keep it outside of the database. Words, patterns,
   * repetitions and published texts are refused. Without a secret the module draws one if `NODE_ENV` is `development` or `test`,
   * and otherwise the boot fails.
   */
  readonly secret?: string | Uint8Array | undefined;
  /**
   * Several secrets instead of one `secret`, for rotation: the first one signs, all verify. Secrets of the environment must contain
   * all of these.
   */
  readonly secrets?: readonly (string | Uint8Array)[] | undefined;
  /**
   * The name of this application when several share a secret and a table: 1 to 64 of a-z, 0-9 and "-". All keys are derived with
   * it, so that no application can confirm, use or open the confirmations of another one, and each has its own limits. Another
   * name ends all confirmations, as another secret does. @default none
   */
  readonly application?: string | undefined;
  /** The senders by name. Clients name a sender as `way`. @default {} */
  readonly senders?: Readonly<Record<string, SenderEntry>> | undefined;
  /** The sender of calls that name none. @default 'default' */
  readonly defaultSender?: string | undefined;
  /** Draws the codes, of 6 to 64 printable ASCII characters. @default digits(6) */
  readonly codeGenerator?: CodeGenerator | undefined;
  /**
   * Whether the controller's responses contain the code. Allowed only if `NODE_ENV` is `development` or `test`. @default false
   */
  readonly debugCodeResponse?: boolean | undefined;
  /**
   * The purposes of the controller and the guard by name. Without any, there is one open purpose without a name. Beside
   * purposes with names it must be declared, as `'': { open: true }`. @default {}
   */
  readonly purposes?: Readonly<Record<string, PurposeDefinition>> | undefined;
  /** What the messages of this package say, for senders that use them. @default {} */
  readonly messages?: MessagesOptions | undefined;
  /**
   * Methods beside sent codes: `totp()`, `recoveryCodes()`, `rememberedDevices()`, and `passkeys()` of `nestjs-two-factor/passkeys`.
   * They need the table `two_factor_factor`. Without them no statement touches it. @default []
   */
  readonly methods?: readonly MethodDefinition[] | undefined;
  /**
   * Recipients with a fixed code, for the reviewers of an app store. Nothing is sent to them, each use is logged and raises the
   * event `test-recipient-used`, and all limits hold. @default []
   */
  readonly testRecipients?: readonly TestRecipientOptions[] | undefined;
  /**
   * The phone numbers and addresses (`token`) of `testRecipients` once more, exactly as they stand there, unless `NODE_ENV` is
   * `development` or `test`: the boot fails without them. @default []
   */
  readonly allowTestRecipientsInProduction?: readonly string[] | undefined;
  /** Life of a code, 30 to 600 seconds (NIST SP 800-63B-4 3.1.3.2). @default 600 */
  readonly ttlSeconds?: number | undefined;
  /** Time to use a confirmed confirmation, 10 to 900 seconds (PSD2 RTS art. 4(3)(d)). @default 300 */
  readonly useWithinSeconds?: number | undefined;
  /** Codes that may be tried for one confirmation, 1 to 10 (PSD2 RTS art. 4(3)(b)). @default 5 */
  readonly maxAttempts?: number | undefined;
  /** The most messages that one confirmation sends, 1 to 10. @default 5 */
  readonly maxSends?: number | undefined;
  /**
   * Pauses before the second, third and further messages of one confirmation, 5 to 3,600 seconds each. The last one repeats.
   * @default [30, 60, 120, 300]
   */
  readonly cooldownSeconds?: readonly number[] | undefined;
  /** The code of a repeated message: `same`, because messages may arrive in another order than they left, or a new one. @default 'same' */
  readonly resend?: 'same' | 'rotate' | undefined;
  /** Background deletion of old rows; `false` when the application calls `purge()` itself. @default {} */
  readonly autoPurge?: AutoPurgeOptions | false | undefined;
  /**
   * Limits across confirmations: wrong codes, pending confirmations, messages. `false` switches all of them off. @default {}
   */
  readonly limits?: LimitsOptions | false | undefined;
  /** Longest wait for the database, including the pool, 100 to 60,000 milliseconds. @default 5000 */
  readonly databaseTimeoutMs?: number | undefined;
  /** Longest wait for a sender backend, 100 to 60,000 milliseconds (ASVS 5.0 13.1.3). @default 10000 */
  readonly sendTimeoutMs?: number | undefined;
  /**
   * When a message leaves. `inline`: in the request, after its row is stored. `queued`: after the commit, by the worker of the
   * module, which sends failed messages again; it needs the table `two_factor_delivery`. @default 'inline'
   */
  readonly delivery?: 'inline' | 'queued' | undefined;
  /**
   * The worker of `delivery: 'queued'`; `false` where the application calls `DeliveryService.sweep()` itself, as scripts and
   * serverless functions do. @default {}
   */
  readonly worker?: WorkerOptions | false | undefined;
  /**
   * Whether to prepare statements: on PostgreSQL by name, on MariaDB by `mysql2`. Used only without query logging and query
   * subscribers, and switched off automatically where the server or a pooler refuses them. @default true
   */
  readonly preparedStatements?: boolean | undefined;
  /**
   * Groups concurrent calls into one statement and one commit on PostgreSQL, MariaDB and MySQL. Each call keeps its own guards and
   * result. Up to 128 calls, or `maxSize` (2 to 1,000), and no more than 24 on MariaDB and MySQL, 48 for reads. `false` for one statement
   * a call. @default true
   */
  readonly batching?: boolean | { readonly maxSize: number } | undefined;
  /** The source of time. @default the system clock */
  readonly clock?: Clock | undefined;
  /** Whether `TWO_FACTOR_*` environment variables are read, at boot only. @default true */
  readonly env?: boolean | undefined;
}
