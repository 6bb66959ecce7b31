import type { EntityManager } from 'typeorm';

import type {
  ConfirmationReference,
  PasskeyRegistrationResponse,
} from '../../confirmation/index.js';
import { inputMembers, TwoFactorInputError } from '../../errors/index.js';
import { isOneLine, ONE_LINE_RULE } from '../../options/index.js';

/** What every changing call of `FactorService` takes. */
export interface FactorChangeInput {
  /** The user, 1 to 255 characters, as for `makeConfirmation`. */
  readonly subject: string;
  /** Makes the change in the transaction of this manager. */
  readonly manager?: EntityManager | undefined;
}

/** A change for which a route of the application has taken a proof of the subject. */
export interface ProvedChangeInput extends FactorChangeInput {
  /**
   * The proof that was used for this change, or its id: the change is refused where what confirmed it was removed after it was used.
   * Name it in a route of your own. A thief who had confirmed by a stolen phone could otherwise begin this call before the owner removes
   * the app, and end it afterwards.
   */
  readonly confirmation?: ConfirmationReference | undefined;
}

/** What `FactorService.enrol` takes. */
export interface EnrolInput extends ProvedChangeInput {
  readonly method: 'totp';
  /** A name that the person gives the factor, up to 64 characters. @default '' */
  readonly label?: string | undefined;
  /** The account as the app shows it, such as a mail address, up to 64 characters. @default the subject */
  readonly account?: string | undefined;
}

/** What `FactorService.enrol` takes for a passkey. */
export interface EnrolPasskeyInput extends Omit<EnrolInput, 'account' | 'method'> {
  readonly method: 'passkey';
  /**
   * The account as the person sees it when choosing among passkeys, such as a mail address, up to 64 characters. The
   * authenticator stores it in clear. @default the subject
   */
  readonly account?: string | undefined;
}

/** What `FactorService.activate` takes. */
export interface ActivateInput extends FactorChangeInput {
  /** The id of the enrolment, as `enrol` returned it. */
  readonly factor: string;
  /** The first code of the app, or what `toJSON()` of the browser's new credential answers. */
  readonly response: PasskeyRegistrationResponse | string;
}

/** What `FactorService.import` takes. */
export interface ImportInput extends FactorChangeInput {
  readonly method: 'totp';
  /** 14 to 64 bytes in base32 (RFC 4648 6), or from 10 bytes on with `allowShortSecrets`. */
  readonly secret: string;
  /**
   * Accepts secrets of 10 to 13 bytes too, such as the 80 bits that otplib 12 and the first apps drew. NIST SP 800-63B-4 3.1.4
   * asks for 112 bits: ask these people to enrol again. @default false
   */
  readonly allowShortSecrets?: boolean | undefined;
  /** @default 6 */
  readonly digits?: 6 | 7 | 8 | undefined;
  /** Seconds of a time step, 15 to 120. @default 30 */
  readonly period?: number | undefined;
  /** @default 'SHA1' */
  readonly algorithm?: 'SHA1' | 'SHA256' | 'SHA512' | undefined;
  /** A name for the factor, as the member `label` of `enrol`. */
  readonly label?: string | undefined;
}

/** What `FactorService.remove` takes. */
export interface RemoveInput extends ProvedChangeInput {
  /** The id of a factor, or `recovery` for all recovery codes. */
  readonly factor: string;
  /** Whether the last authenticator may be removed, and the recovery codes with it. @default false */
  readonly allowLast?: boolean | undefined;
}

/** What `FactorService.rename` takes. */
export interface RenameInput extends FactorChangeInput {
  readonly factor: string;
  readonly label: string;
}

/** What `FactorService.remember` takes. */
export interface RememberInput {
  /** A confirmation that `use` or a guarded route has just used, or its id. */
  readonly confirmation: ConfirmationReference;
  /** A name of the device, such as its browser, up to 64 characters. @default '' */
  readonly label?: string | undefined;
  /** Remembers the device in the transaction of this manager. */
  readonly manager?: EntityManager | undefined;
}

/** What `FactorService.reseal` takes. */
export interface ResealInput {
  /** The factors that one query reads, 1 to 1,000. @default 500 */
  readonly batchSize?: number | undefined;
  /** When it is aborted, the call stops between two queries. */
  readonly signal?: AbortSignal | undefined;
}

const CHANGE_MEMBERS = { subject: true, manager: true } as const;
const PROVED_CHANGE_MEMBERS = { ...CHANGE_MEMBERS, confirmation: true } as const;

/**
 * The members that the arguments of the methods of `FactorService` may have. A misspelt `manager` is refused, because the change
 * would otherwise be made outside of the caller's transaction.
 */
export const FACTOR_INPUTS = {
  list: inputMembers<{ subject: string }>({ subject: true }),
  change: inputMembers<FactorChangeInput>(CHANGE_MEMBERS),
  provedChange: inputMembers<ProvedChangeInput>(PROVED_CHANGE_MEMBERS),
  enrol: inputMembers<EnrolInput>({
    ...PROVED_CHANGE_MEMBERS,
    method: true,
    label: true,
    account: true,
  }),
  activate: inputMembers<ActivateInput>({ ...CHANGE_MEMBERS, factor: true, response: true }),
  import: inputMembers<ImportInput>({
    ...CHANGE_MEMBERS,
    method: true,
    secret: true,
    allowShortSecrets: true,
    digits: true,
    period: true,
    algorithm: true,
    label: true,
  }),
  remember: inputMembers<RememberInput>({ confirmation: true, label: true, manager: true }),
  rename: inputMembers<RenameInput>({ ...CHANGE_MEMBERS, factor: true, label: true }),
  remove: inputMembers<RemoveInput>({ ...PROVED_CHANGE_MEMBERS, factor: true, allowLast: true }),
  reseal: inputMembers<ResealInput>({ batchSize: true, signal: true }),
} as const;

export const MAX_LABEL_LENGTH = 64;

/** @throws TwoFactorInputError for anything but one line of at most 64 characters. */
export function parseLabel(what: 'account' | 'label', given: unknown, fallback: string): string {
  if (given === undefined) return fallback;
  if (
    typeof given === 'string' &&
    given.length <= MAX_LABEL_LENGTH &&
    given.isWellFormed() &&
    isOneLine(given)
  ) {
    return given;
  }
  throw new TwoFactorInputError(
    `${what} is a string of up to ${MAX_LABEL_LENGTH} characters: ${ONE_LINE_RULE}.`,
  );
}
