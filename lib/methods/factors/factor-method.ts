import type { ExecutionContext } from '@nestjs/common';

import type { ConfirmationRow, WrongResponse } from '../../confirmation/index.js';
import type { KeyRing } from '../../crypto/index.js';
import type { ConfirmedBy, MethodName } from '../../errors/index.js';
import type { MethodDefinition } from '../../options/index.js';
import type { FactorRow } from './factor-record.entity.js';

/** The methods whose responses are judged by what a subject has enrolled. */
export type FactorMethodName = Exclude<MethodName & ConfirmedBy, 'code'>;

/** The values by which a method judges a response. */
export interface FactorContext {
  readonly keyRing: KeyRing;
  /** The name of the application; empty for none. */
  readonly application: string;
  readonly subject: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** The values by which a method judges the response to one confirmation. */
export interface VerificationContext extends FactorContext, SubjectFactors {
  readonly row: ConfirmationRow;
}

/** The stored factors of a subject, and the name that its passkeys have for it. */
export interface SubjectFactors {
  /**
   * For a verification, the active and intact factors of the method that may confirm; for an enrolment, all factors that count, pending
   * ones too. An authenticator that is not intact is among those.
   */
  readonly factors: readonly FactorRow[];
  /**
   * The rows of all factors, those too that count nowhere because they are not intact. What is removed, forgotten or replaced is chosen
   * from these: with the former secret in the ring again, a device that was left behind would confirm again.
   */
  readonly stored: readonly FactorRow[];
  /** The name of the subject in its passkeys: 32 random bytes in base64url; empty for a subject that never enrolled anything. */
  readonly userHandle: string;
  /** The ids of recovery codes of the current set that were used. */
  readonly spentCodes: readonly string[];
  /** When devices of the subject were last forgotten or removed, in epoch milliseconds; `null` for never. */
  readonly devicesForgottenAt: number | null;
}

/**
 * How the statement that confirms writes the row of the factor, and what it requires of that row.
 *
 * - `spend`: the stored counter is lower than the given one.
 * - `advance`: the same, or both counters are 0, as they always are for a passkey that a provider copies to several devices.
 * - `consume`: the factor was not used before, and is never used again.
 * - `touch`: the factor has not expired.
 *
 * All but `spend` also require that attempts are left. The response of a `spend` can be guessed and was counted before it was compared,
 * so that the last allowed attempt must still be able to confirm.
 */
export type FactorWrite = 'spend' | 'advance' | 'consume' | 'touch';

/** What a method has read from a right response, and how the row of the factor is to be written. */
export interface FactorEvidence {
  readonly factor: FactorRow;
  readonly write: FactorWrite;
  readonly counter: number;
  /** Why the response is refused and nothing is written, when the counter went backwards: the factor may have been copied. */
  readonly refusal?: string;
}

/** The values that the activation of a factor stores in its row, taken from the first valid response. */
export interface ActivationEvidence {
  readonly data: string | null;
  /** The hash of the value by which the factor is found, such as a passkey's id. No other factor may have it. `null` for none. */
  readonly handle: string | null;
  readonly counter: number;
}

/** The members of what `enrol` returns beside the factor. */
export type RevealedMembers = Readonly<Record<string, unknown>>;

/** What is stored of an enrolment, and what the person or the browser is shown once. */
export interface BegunEnrolment {
  /** In clear: the store seals it. */
  readonly data: string | null;
  reveal(known: SubjectFactors): RevealedMembers | Promise<RevealedMembers>;
}

/** The input of an enrolment. */
export interface EnrolmentInput {
  readonly id: string;
  /** The account as the app shows it. */
  readonly account: string;
}

/** How a factor of a method is enrolled: it is begun, and then activated by its first valid response. */
export interface FactorEnrolment<Response> {
  /** The most active factors of this method that one subject may have. A further one replaces the oldest. */
  readonly max: number;
  begin(input: EnrolmentInput, context: FactorContext): BegunEnrolment;
  /** @throws TwoFactorInputError for a first response of the wrong shape. */
  parse(response: unknown): Response;
  /** The evidence of a valid first response; for a wrong one `null`, or a `WrongResponse` that says why. */
  activate(
    response: Response,
    pending: FactorRow,
    context: FactorContext,
  ): ActivationEvidence | null | Promise<ActivationEvidence | WrongResponse | null>;
  /** The `data` of a factor that was enrolled elsewhere. @throws TwoFactorInputError for a malformed one. */
  import?(input: Readonly<Record<string, unknown>>): string;
}

/** The token of a remembered device, which is returned once for its cookie, and the hash by which the row is found. */
export interface RememberedFactor {
  readonly token: string;
  readonly handle: string;
}

/** A code that is shown once, and the hash by which it is found. */
export interface DrawnCode {
  readonly code: string;
  readonly handle: string;
}

/**
 * A method beside codes. It judges responses in memory and writes nothing: `FactorConfirmationMethod` counts before it, and
 * writes after it.
 */
export abstract class FactorMethod<
  Response = unknown,
  First = unknown,
> implements MethodDefinition {
  abstract readonly name: FactorMethodName;
  abstract readonly isStrong: boolean;
  /** Whether a response can be guessed, so that each one is counted before it is compared. */
  abstract readonly isGuessable: boolean;
  /** The name of the member of `MethodResponse` in which the response is, such as `code`. */
  readonly responseMember: string = 'code';
  /** How long a factor lives, in milliseconds; `null` without an end. */
  readonly lifeMs: number | null = null;
  /** The most devices of one subject that are remembered; `null` for a method that remembers none. */
  readonly max: number | null = null;
  /** Reads the response from a call, such as the device token in its cookie; absent for responses that a person gives. */
  readonly tokenOf?: (context: ExecutionContext) => unknown;
  /** How a factor is enrolled; `null` for recovery codes, which are drawn, and for devices, which are remembered. */
  readonly enrolment: FactorEnrolment<First> | null = null;

  /** Loads what the method needs while the application boots. @throws TwoFactorConfigurationError when it is missing. */
  prepare?(): Promise<void>;

  /** The data that the browser needs to respond; `null` for a subject without a factor that could. Absent when the browser needs nothing. */
  challenge?(context: VerificationContext): Promise<object | null>;

  /** The members of a listed factor beside those that all methods have. */
  describe?(factor: FactorRow): { readonly isSynced: boolean };

  /** Draws the token of a device that is remembered after a used confirmation; absent for a method that is enrolled. */
  remember?(id: string, context: FactorContext): RememberedFactor;

  /**
   * Whether the caller that sends `token`, such as that of a device, can respond by one of the active factors. Absent for
   * a method by which a subject with an active factor can always respond.
   */
  isUsable?(factors: readonly FactorRow[], token: unknown, context: FactorContext): boolean;

  /** Draws a set of codes, each of which is a factor; absent for a method that is enrolled. */
  draw?(context: FactorContext): readonly DrawnCode[];

  /** @throws TwoFactorInputError for a response of the wrong shape; nothing is counted then. */
  abstract parse(response: unknown): Response;

  /**
   * Judges a response by the factors of the subject that may confirm; `null` when it is wrong, a `WrongResponse` where there is
   * more to say.
   */
  abstract verify(
    response: Response,
    context: VerificationContext,
  ): FactorEvidence | null | Promise<FactorEvidence | WrongResponse | null>;

  /** The guess, for the detection of sprayed codes; `null` for a response that cannot be guessed. */
  abstract guessOf(response: Response): string | null;
}
