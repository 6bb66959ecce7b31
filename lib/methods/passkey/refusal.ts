/**
 * Why a response of a passkey was refused. The names carry nothing that the client wrote, so that they may be logged:
 *
 * | refusal | cause |
 * |---|---|
 * | `malformed` | not what an authenticator signs, or not decodable |
 * | `type` | an assertion in place of a registration, or the other way round |
 * | `challenge` | signed for another confirmation, other details, or another enrolment |
 * | `origin` | signed on a page that is not among the origins |
 * | `cross-origin` | signed in a frame of another site |
 * | `rp-id` | signed for another domain |
 * | `user-presence`, `user-verification` | the person was not asked, or gave neither PIN nor biometrics |
 * | `credential` | not the passkey that was to answer, or one of another subject |
 * | `user-handle` | the passkey was made for another subject |
 * | `synced` | a passkey that can be copied, while `synced` is false |
 * | `backup-flags` | the flags contradict each other or the registration |
 * | `algorithm` | a key that is not of ES256, EdDSA or RS256 |
 * | `signature` | not signed by the passkey |
 * | `counter` | signed correctly, and the counter did not advance: the passkey may have been copied |
 */
export type PasskeyRefusal =
  | 'malformed'
  | 'type'
  | 'challenge'
  | 'origin'
  | 'cross-origin'
  | 'rp-id'
  | 'user-presence'
  | 'user-verification'
  | 'credential'
  | 'user-handle'
  | 'synced'
  | 'backup-flags'
  | 'algorithm'
  | 'signature'
  | 'counter';
