// The bodies and answers of the bundled controller. They are declared here a second time, so that a front end compiles without
// NestJS and TypeORM; test/client/types.ts compares them with those of the server.

import type { PasskeyCreationOptionsJson, PasskeyRegistrationJson } from './passkeys.js';

/** The name of a method that can confirm. */
export type MethodName = 'code' | 'totp' | 'passkey' | 'recovery' | 'device';

/** The body of `request-confirmation`. */
export interface RequestBody {
  /** The phone number or address to which the code goes. Leave it out for purposes whose recipient the application knows. */
  readonly token?: string | undefined;
  /** The name of a sender. */
  readonly way?: string | undefined;
  /** What the proof is for. */
  readonly purpose?: string | undefined;
  /** The method to begin with, for purposes with methods. */
  readonly method?: MethodName | undefined;
  /** What exactly is approved: the details that the purpose declares. */
  readonly details?: object | undefined;
}

/** The answer of `request-confirmation` and `resend`. */
export interface RequestedConfirmation {
  /** Handle of the confirmation. Keep it secret. */
  readonly id: string;
  /** Until when the confirmation can be confirmed, in ISO 8601. */
  readonly expiresAt: string;
  /** The seconds from this answer to `expiresAt`, rounded down. Count them down: the clock of a browser may be wrong. */
  readonly expiresIn: number;
  /** From when on `resend` is accepted; absent when no message is sent. */
  readonly resendAt?: string;
  /** The seconds from this answer to `resendAt`, rounded up. */
  readonly resendIn?: number;
  readonly attemptsLeft: number;
  /** Characters of the code; absent when no message is sent. */
  readonly codeLength?: number;
  /** Where the code goes, such as `a***@e***.com`; absent when no message is sent. */
  readonly maskedToken?: string;
  /** The method to begin with; only for purposes with methods. */
  readonly method?: MethodName;
  /** The methods that this person can use now; only for purposes with methods. */
  readonly methods?: readonly MethodName[];
  /** Present when the message is sent after this answer: `check` returns whether it was sent. */
  readonly delivery?: 'queued';
  /** The code; only with `debugCodeResponse`, in development. */
  readonly code?: string;
}

/** The body of `confirm`, by method. A remembered device sends its cookie, so that the body names the method alone. */
export type ConfirmBody = { readonly id: string } & (
  | { readonly code: string; readonly method?: 'code' | 'totp' | 'recovery' | undefined }
  | { readonly method: 'passkey'; readonly response: object }
  | { readonly method: 'device' }
);

/** The answer of `confirm`. */
export interface ConfirmedConfirmation {
  /** The confirmation, ready to be used: send it as `X-Confirmation-Id`. */
  readonly id: string;
  readonly confirmed: true;
  /** The code; only with `debugCodeResponse`, in development. */
  readonly code?: string;
}

/** The answer of `check`. */
export interface CheckedConfirmation {
  readonly id: string;
  readonly status: 'pending' | 'confirmed' | 'used' | 'expired' | 'locked' | 'cancelled';
  readonly attemptsLeft: number;
  readonly expiresAt: string;
  /** The seconds from this answer to `expiresAt`, rounded down; 0 after it. */
  readonly expiresIn: number;
  /** From when on `resend` is accepted, where a code can be sent. */
  readonly resendAt: string;
  /** The seconds from this answer to `resendAt`, rounded up; 0 after it. */
  readonly resendIn: number;
  /** The method that confirmed the confirmation, or `hand`; `null` before that; only where methods are configured. */
  readonly confirmedBy?: string | null;
  /** What became of the newest message; only for a pending confirmation, where messages are queued. */
  readonly delivery?: 'queued' | 'sent' | 'failed';
  /** Why the message failed; only with `delivery: 'failed'`. */
  readonly deliveryError?: 'recipient-not-allowed' | 'send-failed' | 'too-many-requests';
}

/** An authenticator, a passkey, a remembered device, or all recovery codes as one entry. */
export interface FactorAnswer {
  /** The id for `rename` and `remove`; `recovery` for all recovery codes. */
  readonly id: string;
  readonly method: MethodName;
  /** The name that the person gave the factor; empty for none. */
  readonly label: string;
  readonly createdAt: string;
  /** When the factor confirmed last; `null` for never. */
  readonly lastUsedAt: string | null;
  /** Until when a device is remembered; absent for other factors. */
  readonly expiresAt?: string;
  /** Whether a provider may copy a passkey to other devices of the person; absent for other factors. */
  readonly isSynced?: boolean;
  /** The number of recovery codes that are left. */
  readonly left?: number;
}

/** The body of `factors/enrol`. */
export interface EnrolBody<Method extends 'totp' | 'passkey' = 'totp' | 'passkey'> {
  readonly method: Method;
  /** A name that the person gives the factor, up to 64 characters. */
  readonly label?: string | undefined;
  /** The account as the authenticator shows it, such as a mail address. Without it: the subject. */
  readonly account?: string | undefined;
}

/** The answer of `factors/enrol` for an app. Show `uri` as a QR code, and `secret` for typing: they are shown once. */
export interface BegunAppAnswer {
  /** The pending enrolment, for 15 minutes. */
  readonly factor: FactorAnswer;
  readonly uri: string;
  /** The secret of the app in base32. */
  readonly secret: string;
}

/** The answer of `factors/enrol` for a passkey. */
export interface BegunPasskeyAnswer {
  /** The pending enrolment, for 15 minutes. */
  readonly factor: FactorAnswer;
  /** What the browser needs to create the passkey. */
  readonly options: PasskeyCreationOptionsJson;
}

/** The body of `factors/activate`: the first code of the app, or the new passkey. */
export interface ActivateBody {
  readonly factor: string;
  readonly response: string | PasskeyRegistrationJson;
}

/** A factor that can confirm from now on; with the first one the recovery codes, which are shown once. */
export interface ActivatedFactorAnswer {
  readonly factor: FactorAnswer;
  readonly recoveryCodes?: readonly string[];
}

/** The body and the answer of `factors/rename`. */
export interface RenamedFactor {
  readonly factor: string;
  /** The name, in one line; empty for none. */
  readonly label: string;
}

/** The body of `factors/remove`. */
export interface RemoveBody {
  /** The id of a factor, or `recovery` for all recovery codes. */
  readonly factor: string;
  /** Whether the last authenticator may be removed, and the recovery codes with it. The details of the proof then have this member too. */
  readonly allowLast?: boolean | undefined;
}

/** The answer of `factors/remove`. */
export interface RemovedFactorAnswer {
  readonly factor: string;
  readonly removed: true;
}

/** The answer of `factors/recovery-codes`, which are shown once. */
export interface RecoveryCodesAnswer {
  readonly recoveryCodes: readonly string[];
}
