/**
 * A kind of evidence that confirms: a code that was sent, a code of an authenticator app (RFC 6238), a passkey (WebAuthn), a
 * recovery code, a device that is remembered.
 *
 * @publicApi
 */
export type MethodName = 'code' | 'totp' | 'passkey' | 'recovery' | 'device';

/**
 * What confirmed a confirmation: a method, or the application itself by `state.confirm()` or `isConfirmed: true`.
 *
 * @publicApi
 */
export type ConfirmedBy = MethodName | 'hand';

/** The name of the application itself among what confirms: `state.confirm()` and `isConfirmed: true`. */
export const BY_HAND = 'hand' satisfies ConfirmedBy;
