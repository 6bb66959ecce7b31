import { TwoFactorInputError } from '../../errors/index.js';
import { isName, NAME_RULE } from '../../options/index.js';
import { assertOneLineTexts, canonicalJson, type JsonValue } from './plain-json.js';

/**
 * What a proof is for. A proof is worth nothing under any other purpose, for any other subject or for other details, and
 * what is absent means exactly none.
 *
 * @publicApi
 */
export interface ProofBinding {
  /** What the proof is for: 1 to 64 of a-z, 0-9 and `-`. */
  readonly purpose?: string | undefined;
  /** Whom the proof is for: a user's or a session's id, 1 to 255 characters. */
  readonly subject?: string | undefined;
  /**
   * What exactly is approved, such as amount and payee: plain JSON up to 4 kB, whose texts and names are one line each,
   * without control characters and direction marks.
   */
  readonly details?: JsonValue | undefined;
}

/** What a proof is for, as it is stored: `''` for no purpose or no subject. */
export interface StoredBinding {
  readonly purpose: string;
  readonly subject: string;
  /** Canonical JSON, `null` for none. */
  readonly details: string | null;
}

/** The longest subject. Its column has 1,025 ASCII characters, which is enough when every character must be escaped. */
const MAX_SUBJECT_LENGTH = 255;
const MAX_DETAILS_BYTES = 4_096;
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;

/** @throws TwoFactorInputError for a member of the wrong type, length or alphabet. */
export function parseBinding({ purpose, subject, details }: ProofBinding): StoredBinding {
  if (purpose !== undefined && !isName(purpose)) {
    throw new TwoFactorInputError(`A purpose is a string of ${NAME_RULE}.`);
  }
  return {
    purpose: purpose ?? '',
    subject: subject === undefined ? '' : parseSubject(subject),
    details: details === undefined ? null : parseDetails(details),
  };
}

function parseDetails(details: unknown): string {
  const json = canonicalJson('details', details, MAX_DETAILS_BYTES);
  assertOneLineTexts('details', json);
  return json;
}

/** @throws TwoFactorInputError for anything but a non-empty string; an empty subject stands for no user. */
export function parseSubject(subject: unknown): string {
  if (
    typeof subject !== 'string' ||
    subject.length === 0 ||
    subject.length > MAX_SUBJECT_LENGTH ||
    !subject.isWellFormed() ||
    CONTROL.test(subject)
  ) {
    throw new TwoFactorInputError(
      `A subject is a string of 1 to ${MAX_SUBJECT_LENGTH} characters without control characters.`,
    );
  }
  return subject;
}
