// The test vectors of the W3C (WebAuthn Level 3, 16): registrations and assertions that were computed elsewhere. Some lack what is
// required here, such as user verification, and must be refused for that alone.
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import {
  parseAssertion,
  parseRegistration,
} from '../../../../lib/methods/passkey/parse-response.js';
import type {
  PasskeyAssertionResponse,
  PasskeyRegistrationResponse,
} from '../../../../lib/confirmation/model/passkey-json.js';
import { PasskeyBench, SUBJECT } from '../../../support/passkeys.js';

interface Vector {
  readonly section: string;
  readonly registration: {
    readonly challenge: string;
    readonly id: string;
    readonly clientDataJSON: string;
    readonly attestationObject: string;
  };
  readonly assertion: {
    readonly challenge: string;
    readonly clientDataJSON: string;
    readonly authenticatorData: string;
    readonly signature: string;
  };
}

const { vectors } = JSON.parse(
  await readFile(new URL('webauthn-vectors.json', import.meta.url), 'utf8'),
) as { vectors: readonly Vector[] };
const PREFIX = 'sctn-test-vectors-';
const OPTIONS = { rpId: 'example.org', origins: ['https://example.org'] };

/** What the registration, and the assertion after it, come to. `null`: accepted. */
const OUTCOMES: Readonly<Record<string, readonly [string | null, (string | null)?]>> = {
  'none-es256': ['user-verification'],
  'packed-self-es256': [null, 'user-verification'],
  'none-es256-crossOrigin': ['cross-origin'],
  'none-es256-topOrigin': ['cross-origin'],
  'none-es256-long-credential-id': ['user-verification'],
  'packed-es256': [null, null],
  'packed-es384': ['user-verification'],
  'packed-es512': ['algorithm'],
  'packed-rs256': [null, 'user-verification'],
  'packed-eddsa': ['user-verification'],
  'packed-ed448': ['user-verification'],
  'tpm-es256': [null, null],
  'android-key-es256': [null, 'user-verification'],
  'apple-es256': ['user-verification'],
  'fido-u2f-es256': ['user-verification'],
};

const registrationOf = ({
  registration: { id, clientDataJSON, attestationObject },
}: Vector): PasskeyRegistrationResponse =>
  parseRegistration({
    id,
    rawId: id,
    type: 'public-key',
    response: { clientDataJSON, attestationObject },
  });

const assertionOf = ({ registration: { id }, assertion }: Vector): PasskeyAssertionResponse => {
  const { clientDataJSON, authenticatorData, signature } = assertion;
  return parseAssertion({
    id,
    rawId: id,
    type: 'public-key',
    response: { clientDataJSON, authenticatorData, signature },
  });
};

async function outcomesOf(vector: Vector): Promise<(string | null)[]> {
  const { ceremonies } = await PasskeyBench.open(OPTIONS);
  const registration = await ceremonies.verifyRegistration(registrationOf(vector), [
    vector.registration.challenge,
  ]);
  if (registration.credential === null) return [registration.refusal];
  const assertion = await ceremonies.verifyAssertion(assertionOf(vector), {
    challenge: vector.assertion.challenge,
    subject: SUBJECT,
    userHandle: '',
    credential: { ...registration.credential, factorId: 'factor-1', subject: SUBJECT },
  });
  return [registration.refusal, assertion.refusal];
}

describe('The vectors of WebAuthn Level 3', () => {
  it('are all in this list', () => {
    expect(vectors.map(({ section }) => section.replace(PREFIX, ''))).toEqual(
      Object.keys(OUTCOMES),
    );
  });

  it.each(Object.entries(OUTCOMES))(
    'have the required outcome when %s is verified',
    async (name, outcomes) => {
      const vector = vectors.find(({ section }) => section === PREFIX + name)!;

      expect(await outcomesOf(vector)).toEqual(outcomes);
    },
  );

  it.each(['packed-es256', 'tpm-es256'])(
    'are refused when one bit of %s is changed',
    async (name) => {
      const vector = vectors.find(({ section }) => section === PREFIX + name)!;
      const signature = Buffer.from(vector.assertion.signature, 'base64url');
      signature[signature.length - 1]! ^= 1;
      const assertion = { ...vector.assertion, signature: signature.toString('base64url') };

      expect(await outcomesOf({ ...vector, assertion })).toEqual([null, 'signature']);
    },
  );
});
