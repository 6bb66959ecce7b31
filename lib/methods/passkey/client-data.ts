import type { PasskeyRefusal } from './refusal.js';

/** The values that the data signed for a passkey must contain. */
export interface ExpectedClientData {
  readonly type: 'webauthn.create' | 'webauthn.get';
  /** The challenges, one of which must be the signed one. */
  readonly challenges: readonly string[];
  readonly origins: ReadonlySet<string>;
}

/**
 * Checks the data about the page that the browser had signed (WebAuthn Level 3, 5.8.1). The authenticator signs their hash.
 *
 * A page in a frame of another site is refused, whatever the library does: that site can lay the frame under a button of its own.
 */
export function clientDataRefusal(
  clientDataJSON: string,
  { type, challenges, origins }: ExpectedClientData,
): PasskeyRefusal | null {
  const data = decode(clientDataJSON);
  if (data === null) return 'malformed';
  if (data['type'] !== type) return 'type';
  if (!challenges.some((challenge) => challenge === data['challenge'])) return 'challenge';
  const { origin, crossOrigin, topOrigin } = data;
  if (typeof origin !== 'string' || !origins.has(origin)) return 'origin';
  // Browsers that know no frames of other sites leave both members out.
  if ((crossOrigin ?? false) !== false || topOrigin !== undefined) return 'cross-origin';
  return null;
}

function decode(base64url: string): Readonly<Record<string, unknown>> | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(
      Buffer.from(base64url, 'base64url'),
    );
    const data: unknown = JSON.parse(text);
    if (typeof data === 'object' && data !== null) return data as Record<string, unknown>;
  } catch {
    // Neither UTF-8 nor JSON: no browser wrote it.
  }
  return null;
}
