// Passkeys between JSON and the browser (WebAuthn Level 3, 5.1.6 to 5.1.9). Bytes are base64url without padding in JSON.

/** What a browser needs to read a passkey. */
export interface PasskeyRequestOptionsJson {
  readonly challenge: string;
  readonly rpId?: string;
  readonly timeout?: number;
  readonly allowCredentials?: readonly PasskeyDescriptorJson[];
  readonly userVerification?: string;
}

/** What a browser needs to create a passkey. */
export interface PasskeyCreationOptionsJson {
  readonly rp: { readonly id?: string; readonly name: string };
  readonly user: { readonly id: string; readonly name: string; readonly displayName: string };
  readonly challenge: string;
  readonly pubKeyCredParams: readonly { readonly type: 'public-key'; readonly alg: number }[];
  readonly timeout?: number;
  readonly excludeCredentials?: readonly PasskeyDescriptorJson[];
  readonly authenticatorSelection?: object;
  readonly attestation?: string;
}

interface PasskeyDescriptorJson {
  readonly type: 'public-key';
  readonly id: string;
  readonly transports?: readonly string[];
}

/** What a browser answers for an existing passkey. */
export interface PasskeyAssertionJson {
  readonly id: string;
  readonly rawId: string;
  readonly type: string;
  readonly response: {
    readonly clientDataJSON: string;
    readonly authenticatorData: string;
    readonly signature: string;
    readonly userHandle?: string;
  };
}

/** What a browser answers for a new passkey. */
export interface PasskeyRegistrationJson {
  readonly id: string;
  readonly rawId: string;
  readonly type: string;
  readonly response: {
    readonly clientDataJSON: string;
    readonly attestationObject: string;
    readonly transports?: readonly string[];
  };
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const base64 = text.replaceAll('-', '+').replaceAll('_', '/');
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function textOf(bytes: ArrayBuffer): string {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Missing in browsers before 2025. */
type Parsers = Pick<
  typeof PublicKeyCredential,
  'parseCreationOptionsFromJSON' | 'parseRequestOptionsFromJSON'
>;

const withBytes = (credentials: readonly PasskeyDescriptorJson[] = []): object[] =>
  credentials.map((each) => ({ ...each, id: bytesOf(each.id) }));

/**
 * The credential as JSON. The browser's `toJSON` is missing before 2025, and throws for the credentials of some extensions that
 * manage passwords.
 */
function jsonOf(credential: Credential | null): unknown {
  const { id, rawId, type, response } = credential as PublicKeyCredential;
  try {
    return (credential as PublicKeyCredential).toJSON();
  } catch {
    const { attestationObject } = response as AuthenticatorAttestationResponse;
    const { authenticatorData, signature, userHandle } = response as AuthenticatorAssertionResponse;
    const clientDataJSON = textOf(response.clientDataJSON);
    return {
      id,
      rawId: textOf(rawId),
      type,
      response: attestationObject
        ? {
            clientDataJSON,
            attestationObject: textOf(attestationObject),
            transports: (response as AuthenticatorAttestationResponse).getTransports?.() ?? [],
          }
        : {
            clientDataJSON,
            authenticatorData: textOf(authenticatorData),
            signature: textOf(signature),
            ...(userHandle && { userHandle: textOf(userHandle) }),
          },
    };
  }
}

/** Asks the person for a passkey. @throws DOMException when the browser returns none. */
export async function readPasskey(
  options: PasskeyRequestOptionsJson,
  signal?: AbortSignal,
): Promise<PasskeyAssertionJson> {
  const { parseRequestOptionsFromJSON: parse } = PublicKeyCredential as Partial<Parsers>;
  const publicKey =
    parse?.(options as PublicKeyCredentialRequestOptionsJSON) ??
    ({
      ...options,
      challenge: bytesOf(options.challenge),
      allowCredentials: withBytes(options.allowCredentials),
    } as PublicKeyCredentialRequestOptions);
  const input = { publicKey, ...(signal && { signal }) };
  return jsonOf(await navigator.credentials.get(input)) as PasskeyAssertionJson;
}

/** Lets the person create a passkey. @throws DOMException when the browser returns none. */
export async function createPasskey(
  options: PasskeyCreationOptionsJson,
  signal?: AbortSignal,
): Promise<PasskeyRegistrationJson> {
  const { parseCreationOptionsFromJSON: parse } = PublicKeyCredential as Partial<Parsers>;
  const publicKey =
    parse?.(options as PublicKeyCredentialCreationOptionsJSON) ??
    ({
      ...options,
      challenge: bytesOf(options.challenge),
      user: { ...options.user, id: bytesOf(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    } as unknown as PublicKeyCredentialCreationOptions);
  const input = { publicKey, ...(signal && { signal }) };
  return jsonOf(await navigator.credentials.create(input)) as PasskeyRegistrationJson;
}
