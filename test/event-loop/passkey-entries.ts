import { cborBombs } from '../support/cbor-bombs.js';
import { PASSKEY_OPTIONS, PasskeyBench } from '../support/passkeys.js';
import type { Entry } from './entry.js';

/** Members may have 8 kB together, and base64url makes 4 characters of 3 bytes. */
const MAX_BYTES = 5_600;
const LIMIT_MS = 20;
const MEGABYTE = 'A'.repeat(1_048_576);
const base64url = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url');

/** What a browser hands over when a passkey is enrolled and when it confirms. */
export async function passkeyEntries(): Promise<Entry[]> {
  const bench = await PasskeyBench.open();
  const passkey = await bench.enrol();
  const registration = bench.authenticator.create(bench.creationOptions());
  const assertion = bench.authenticator.get(bench.requestOptions(passkey));
  const register = async (members: object): Promise<string> => {
    const response = { ...registration.response, ...members };
    return (await bench.register({ ...registration, response })).refusal ?? 'done';
  };
  const confirm = async (members: object): Promise<string> => {
    const response = { ...assertion.response, ...members };
    return (await bench.assert({ ...assertion, response }, passkey)).refusal ?? 'done';
  };
  const inBytes = { maxLength: MAX_BYTES, reaches: 'malformed', limitMs: LIMIT_MS };
  return [
    {
      ...inBytes,
      name: 'the client data of a passkey',
      feed: (text) => confirm({ clientDataJSON: base64url(text.slice(0, MAX_BYTES / 4)) }),
    },
    {
      ...inBytes,
      name: 'a name in the client data of a passkey',
      maxLength: MAX_BYTES / 4,
      reaches: 'origin',
      feed: (origin) => {
        const { challenge } = bench;
        const data = JSON.stringify({ type: 'webauthn.get', challenge, origin });
        return confirm({ clientDataJSON: base64url(data.slice(0, MAX_BYTES)) });
      },
    },
    {
      ...inBytes,
      name: 'the attestation of a passkey',
      feed: (text) => register({ attestationObject: base64url(Buffer.from(text, 'latin1')) }),
    },
    {
      ...inBytes,
      name: 'the signature of a passkey',
      reaches: 'malformed',
      feed: (text) => confirm({ signature: base64url(Buffer.from(text, 'latin1')) }),
    },
    {
      ...inBytes,
      name: 'a member of a passkey as it is sent',
      reaches: 'invalid-request',
      feed: (signature) => confirm({ signature }),
    },
    {
      ...inBytes,
      name: 'a megabyte in a member of a passkey',
      reaches: 'invalid-request',
      texts: ['clientDataJSON', 'authenticatorData', 'signature', 'userHandle'].map((member) => ({
        name: member,
        text: member,
      })),
      feed: (member) => confirm({ [member]: MEGABYTE }),
    },
    {
      ...inBytes,
      name: 'a bomb in the attestation of a passkey',
      texts: Array.from(cborBombs(PASSKEY_OPTIONS.rpId), ([name, bytes]) => ({
        name,
        text: base64url(bytes) || 'AA',
      })),
      feed: (attestationObject) => register({ attestationObject }),
    },
  ];
}
