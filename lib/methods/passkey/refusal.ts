/**
 * Why a response of a passkey was refused, in words for developers. They carry nothing that the client wrote, so that they may be
 * logged, and be answered in development.
 */
const REASONS = {
  malformed: 'it is not what an authenticator signs, or cannot be decoded',
  type: 'it is an assertion in place of a registration, or the other way round',
  challenge: 'it was signed for another confirmation, for other details or for another enrolment',
  origin: 'it was signed on a page that is not among the origins',
  'cross-origin': 'it was signed in a frame of another site',
  'rp-id': 'it was signed for another domain than rpId',
  'user-presence': 'the authenticator did not ask for the person',
  'user-verification': 'the person gave neither a PIN nor a fingerprint or face',
  credential: 'it comes from a passkey that was not to answer, or from one of another subject',
  'user-handle': 'the passkey was made for another subject',
  synced: 'the passkey can be copied, and the option synced is false',
  'backup-flags': 'its flags about copies contradict each other or the registration',
  algorithm: 'its key is not of ES256, EdDSA or RS256',
  signature: 'it was not signed by the passkey',
  counter: 'the counter did not advance, so that the passkey may have been copied',
} as const;

/** Why a response of a passkey was refused. */
export type PasskeyRefusal = keyof typeof REASONS;

/** The sentence of a refusal. */
export function refusalText(
  of: 'An assertion' | 'A registration',
  refusal: PasskeyRefusal,
): string {
  return `${of} was refused: ${refusal}, which means that ${REASONS[refusal]}.`;
}
