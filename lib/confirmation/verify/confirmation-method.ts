import type { Deadline } from '../../database/index.js';
import type { MethodName } from '../../errors/index.js';
import type { ConfirmationRow } from '../model/confirmation-record.entity.js';
import type { Verification, VerificationRequest } from '../store/confirmation-writer.js';

/** One attempt at a confirmation, whatever its method is. */
export type Attempt = Omit<VerificationRequest, 'macs'>;

/** An attempt that was counted. Every other outcome of `charge` has ended the attempt, and has written nothing. */
export type ChargedAttempt = Extract<Verification, { readonly outcome: 'compared' }> & {
  /** The deadline of the whole call; absent where `charge` is its only statement. */
  readonly deadline?: Deadline | undefined;
};

/** What a method has found, for its `settle`: what the write must still find true, and what it stores. */
export interface Evidence {
  /** Why `settle` will write nothing, a sentence for developers. */
  readonly refusal?: string;
}

/** A wrong response, and why it is wrong: a sentence for developers, which quotes nothing that a client wrote. */
export class WrongResponse {
  constructor(readonly reason: string) {}
}

/**
 * A way to confirm a confirmation. An attempt has three steps, so that no guess is ever free: it is counted and committed
 * before anything is compared, judged in memory, and then confirmed by one guarded write.
 *
 * A method whose evidence the database itself can compare does all three in the statement of `charge`, and its other steps
 * only read the answer.
 */
export interface ConfirmationMethod<Response = unknown> {
  readonly name: string;
  /** The method as the event `confirmed` names it. */
  readonly confirmedBy: MethodName;
  /** The member of a `MethodResponse` that has the response. */
  readonly responseMember: string;
  /**
   * What the browser needs before it can respond: JSON, the same for each call; `null` when the subject has nothing that could
   * respond. Absent for a method that needs nothing.
   */
  challenge?(row: ConfirmationRow, deadline: Deadline): Promise<object | null>;
  /** @throws TwoFactorInputError for a response of the wrong shape; nothing is counted then. */
  parse(response: unknown): Response;
  /**
   * Counts the attempt, and a failure in advance, before the response is judged: concurrent guesses could otherwise be judged
   * before any is counted. Counts nothing when the confirmation has ended or a limit refuses.
   */
  charge(response: Response, attempt: Attempt): Promise<Verification>;
  /** Judges the response and writes nothing; `null` when it is wrong, and there is nothing to say about it. */
  verify(
    response: Response,
    charged: ChargedAttempt,
  ): Promise<Evidence | WrongResponse | null> | Evidence | WrongResponse | null;
  /**
   * Confirms the confirmation and resets the count of failures. One of several concurrent calls succeeds; `null` when another
   * call has confirmed, cancelled or exhausted it before.
   */
  settle(
    evidence: Evidence,
    charged: ChargedAttempt,
  ): Promise<ConfirmationRow | null> | ConfirmationRow;
  /** The guess, for the detection of sprayed codes; `null` for a response that cannot be guessed. */
  guessOf(response: Response): string | null;
}

/** All methods by their names. */
export type ConfirmationMethods = ReadonlyMap<string, ConfirmationMethod>;

/** Injects the `ConfirmationMethods`, which the module fills. */
export const CONFIRMATION_METHODS = Symbol('ConfirmationMethods');
