/**
 * The JSON forms of WebAuthn Level 3 (5.1.6 to 5.1.9), as browsers read and write them. They are declared here, so that code that
 * hands them on compiles without the optional package `@simplewebauthn/server`. Bytes are base64url without padding.
 */

/** Names a passkey to a browser. */
export interface PasskeyDescriptor {
  type: 'public-key';
  /** The credential id. */
  id: string;
  /** How the browser reaches the authenticator: `internal`, `usb`, `hybrid` and others. */
  transports?: string[];
}

/** What `navigator.credentials.create` needs, for `PublicKeyCredential.parseCreationOptionsFromJSON`. */
export interface PasskeyCreationOptions {
  /** The application: the domain that its passkeys belong to, and its name. */
  rp: { id: string; name: string };
  /**
   * The person. `id` is 32 random bytes that are stored for the subject, and never the subject itself: authenticators reveal it.
   */
  user: { id: string; name: string; displayName: string };
  /** What the authenticator signs. It is good for this enrolment alone. */
  challenge: string;
  /** The signature algorithms that are accepted, by their COSE numbers, the preferred one first. */
  pubKeyCredParams: { type: 'public-key'; alg: number }[];
  /** How long the browser waits for the person, in milliseconds. */
  timeout: number;
  /** The passkeys that the person has already: a browser does not add one of these twice. */
  excludeCredentials: PasskeyDescriptor[];
  /** The browser asks for a PIN or biometrics, and prefers a passkey that it can offer without a user name. */
  authenticatorSelection: {
    residentKey: 'preferred';
    requireResidentKey: false;
    userVerification: 'required';
  };
  /** Requests no proof of the model of the authenticator. */
  attestation: 'none';
}

/** What `navigator.credentials.get` needs, for `PublicKeyCredential.parseRequestOptionsFromJSON`. */
export interface PasskeyRequestOptions {
  /** The domain that the passkeys belong to. */
  rpId: string;
  /** What the authenticator signs. It is bound to one confirmation with its details. */
  challenge: string;
  /** How long the browser waits for the person, in milliseconds. */
  timeout: number;
  /** The passkeys of the person, any of which may answer. */
  allowCredentials: PasskeyDescriptor[];
  /** Requires that the authenticator verifies the person, by a PIN or biometrics. */
  userVerification: 'required';
}

/** What `toJSON()` of a new credential answers. Members that are not listed are ignored. */
export interface PasskeyRegistrationResponse {
  id: string;
  rawId: string;
  type: 'public-key';
  response: { clientDataJSON: string; attestationObject: string; transports?: string[] };
}

/** What `toJSON()` of an assertion answers. Members that are not listed are ignored. */
export interface PasskeyAssertionResponse {
  id: string;
  rawId: string;
  type: 'public-key';
  response: {
    clientDataJSON: string;
    authenticatorData: string;
    signature: string;
    userHandle?: string;
  };
}
