// Threat: a response that a person gave for another confirmation or on another page, or did not give at all, confirms a
// confirmation. Each fault is the only difference to a response that is accepted, and is refused by its own name.
import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { passkeyHandle } from '../../../../lib/methods/passkey/passkey-handle.js';
import type {
  AssertionFault,
  PasskeyFault,
} from '../../../../lib/testing/software-authenticator.js';
import { ORIGIN, PasskeyBench, randomText, SUBJECT } from '../../../support/passkeys.js';

const IN_BOTH: readonly (readonly [PasskeyFault, string])[] = [
  ['wrong-type', 'type'],
  ['wrong-challenge', 'challenge'],
  ['wrong-origin', 'origin'],
  ['cross-origin', 'cross-origin'],
  ['top-origin', 'cross-origin'],
  ['wrong-rp-id', 'rp-id'],
  ['no-user-presence', 'user-presence'],
  ['no-user-verification', 'user-verification'],
  ['wrong-credential', 'credential'],
];
const IN_REGISTRATIONS: typeof IN_BOTH = [...IN_BOTH, ['other-algorithm', 'algorithm']];
const IN_ASSERTIONS: readonly (readonly [AssertionFault, string])[] = [
  ...IN_BOTH,
  ['other-algorithm', 'signature'],
  ['wrong-signature', 'signature'],
  ['wrong-user-handle', 'user-handle'],
  ['changed-backup-flag', 'backup-flags'],
];
const AUTHENTICATORS = [
  { isSynced: false, algorithm: 'ES256' },
  { isSynced: true, algorithm: 'ES256' },
  { isSynced: false, algorithm: 'EdDSA' },
] as const;

describe.each(AUTHENTICATORS)('A passkey ($algorithm, synced: $isSynced)', (kind) => {
  it('enrols and confirms when nothing is wrong', async () => {
    const bench = await PasskeyBench.open({}, kind);
    const passkey = await bench.enrol();
    expect(passkey).toMatchObject({
      isBackupEligible: kind.isSynced,
      counter: kind.isSynced ? 0 : 1,
    });

    const response = bench.authenticator.get(bench.requestOptions(passkey));

    expect(await bench.assert(response, passkey)).toEqual({
      evidence: { factorId: 'factor-1', counter: kind.isSynced ? 0 : 2 },
      refusal: null,
    });
  });

  it.each(IN_REGISTRATIONS)('does not enrol when it has the fault %s', async (fault, refusal) => {
    const bench = await PasskeyBench.open({}, kind);

    expect(
      await bench.register(bench.authenticator.create(bench.creationOptions(), fault)),
    ).toEqual({
      credential: null,
      refusal,
    });
  });

  it.each(IN_ASSERTIONS)('does not confirm when it has the fault %s', async (fault, refusal) => {
    const bench = await PasskeyBench.open({}, kind);
    const passkey = await bench.enrol();
    const response = bench.authenticator.get(bench.requestOptions(passkey), fault);

    expect(await bench.assert(response, passkey)).toEqual({ evidence: null, refusal });
  });
});

describe('A passkey of RS256', () => {
  it('enrols and confirms, and is refused when its signature is wrong', async () => {
    const bench = await PasskeyBench.open({}, { algorithm: 'RS256' });
    const passkey = await bench.enrol();
    const options = bench.requestOptions(passkey);

    for (const fault of ['wrong-signature', 'other-algorithm'] as const) {
      const wrong = bench.authenticator.get(options, fault);
      expect((await bench.assert(wrong, passkey)).refusal).toBe('signature');
    }
    expect((await bench.assert(bench.authenticator.get(options), passkey)).refusal).toBeNull();
  });
});

describe('An assertion', () => {
  it('is refused when its counter goes backwards or stands still', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const backwards = bench.authenticator.get(bench.requestOptions(passkey), 'counter-backwards');
    const forwards = bench.authenticator.get(bench.requestOptions(passkey));
    const refused = { evidence: null, refusal: 'counter' };

    expect(await bench.assert(backwards, passkey)).toEqual(refused);
    expect(await bench.assert(forwards, { ...passkey, counter: 2 })).toEqual(refused);
    expect(await bench.assert(forwards, { ...passkey, counter: 3 })).toEqual(refused);
    expect((await bench.assert(forwards, { ...passkey, counter: 1 })).refusal).toBeNull();
  });

  it('is refused when its counter falls to 0', async () => {
    const bench = await PasskeyBench.open({}, { isSynced: true });
    const passkey = await bench.enrol();
    const response = bench.authenticator.get(bench.requestOptions(passkey));

    expect((await bench.assert(response, { ...passkey, counter: 1 })).refusal).toBe('counter');
    expect((await bench.assert(response, passkey)).refusal).toBeNull();
  });

  it('does not report a counter when its signature is wrong', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const response = bench.authenticator.get(bench.requestOptions(passkey), 'wrong-signature');

    expect((await bench.assert(response, { ...passkey, counter: 9 })).refusal).toBe('signature');
  });

  it('is refused when its passkey is unknown, or of another subject', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const response = bench.authenticator.get(bench.requestOptions(passkey));

    expect((await bench.assert(response, undefined)).refusal).toBe('credential');
    const ofAnother = { ...passkey, subject: 'user-2' };
    expect((await bench.assert(response, ofAnother)).refusal).toBe('credential');
    expect((await bench.assert(response, passkey, { subject: 'user-2' })).refusal).toBe(
      'credential',
    );
    expect((await bench.assert(response, { ...passkey, id: randomText() })).refusal).toBe(
      'credential',
    );
  });

  it('is refused when it answers the challenge of another confirmation', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const response = bench.authenticator.get(bench.requestOptions(passkey));

    expect((await bench.assert(response, passkey, { challenge: randomText() })).refusal).toBe(
      'challenge',
    );
  });

  it('is accepted when the browser returns no user handle', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const { response, ...rest } = bench.authenticator.get(bench.requestOptions(passkey));
    for (const userHandle of [undefined, null, '']) {
      const withoutHandle = { ...rest, response: { ...response, userHandle } };
      expect((await bench.assert(withoutHandle, passkey)).refusal).toBeNull();
    }
  });

  it('is refused when the passkey is another one of the same authenticator', async () => {
    const bench = await PasskeyBench.open();
    const [first, second] = [await bench.enrol(), await bench.enrol()];
    const response = bench.authenticator.get(bench.requestOptions(first));

    const swapped = { ...response, id: second.id, rawId: second.id };
    expect((await bench.assert(swapped, second)).refusal).toBe('signature');
  });
});

describe('A passkey that may be copied', () => {
  it('neither enrols nor confirms when synced is false', async () => {
    const lenient = await PasskeyBench.open({}, { isSynced: true });
    const passkey = await lenient.enrol();
    const strict = await PasskeyBench.open({ synced: false }, { isSynced: true });

    const registration = strict.authenticator.create(strict.creationOptions());
    expect((await strict.register(registration)).refusal).toBe('synced');
    // An application may set the option when such passkeys exist already.
    const response = lenient.authenticator.get(lenient.requestOptions(passkey));
    const { challenge, userHandle } = lenient;
    const outcome = await strict.assert(response, passkey, { challenge, userHandle });
    expect(outcome.refusal).toBe('synced');
  });

  it('is distinguished from a passkey that stays on its device, which confirms with synced: false', async () => {
    const bench = await PasskeyBench.open({ synced: false });
    const passkey = await bench.enrol();
    const response = bench.authenticator.get(bench.requestOptions(passkey));

    expect((await bench.assert(response, passkey)).refusal).toBeNull();
  });
});

describe('A registration', () => {
  it('is accepted under the challenge of each key of the ring', async () => {
    const bench = await PasskeyBench.open();
    const response = bench.authenticator.create(bench.creationOptions());
    const { ceremonies, challenge } = bench;

    expect(
      (await ceremonies.verifyRegistration(response, [randomText(), challenge])).refusal,
    ).toBeNull();
    expect((await ceremonies.verifyRegistration(response, [randomText()])).refusal).toBe(
      'challenge',
    );
    expect((await ceremonies.verifyRegistration(response, [])).refusal).toBe('challenge');
  });

  it('is refused when an assertion is handed in for it, and the other way round', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const registration = bench.authenticator.create(bench.creationOptions());
    const assertion = bench.authenticator.get(bench.requestOptions(passkey));

    const { clientDataJSON, authenticatorData } = assertion.response;
    const asRegistration = {
      ...assertion,
      response: { clientDataJSON, attestationObject: authenticatorData },
    };
    expect((await bench.register(asRegistration)).refusal).toBe('type');
    const asAssertion = {
      ...registration,
      response: { ...assertion.response, clientDataJSON: registration.response.clientDataJSON },
    };
    const named = { ...passkey, id: registration.id };
    expect((await bench.assert(asAssertion, named)).refusal).toBe('type');
  });
});

describe('The options for a browser', () => {
  it('ask for a verified person, accepted algorithms and no attestation when a passkey is enrolled', async () => {
    const { ceremonies } = await PasskeyBench.open();
    const [challenge, userHandle, known] = [randomText(), randomText(), randomText()];

    expect(
      ceremonies.registrationOptions({
        challenge,
        userHandle,
        label: 'ann@acme.example',
        excludeCredentials: [{ id: known, transports: ['usb'] }],
      }),
    ).toEqual({
      rp: { id: 'acme.example', name: 'ACME' },
      user: { id: userHandle, name: 'ann@acme.example', displayName: 'ann@acme.example' },
      challenge,
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: 'public-key', alg })),
      timeout: 300_000,
      excludeCredentials: [{ type: 'public-key', id: known, transports: ['usb'] }],
      authenticatorSelection: {
        residentKey: 'preferred',
        requireResidentKey: false,
        userVerification: 'required',
      },
      attestation: 'none',
    });
  });

  it('ask for one of the passkeys and a verified person when a confirmation is confirmed', async () => {
    const { ceremonies } = await PasskeyBench.open();
    const [challenge, id] = [randomText(), randomText()];

    expect(ceremonies.assertionOptions(challenge, [{ id, transports: [] }])).toEqual({
      rpId: 'acme.example',
      challenge,
      timeout: 300_000,
      allowCredentials: [{ type: 'public-key', id }],
      userVerification: 'required',
    });
  });

  it('contain the subject nowhere', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const written = JSON.stringify([bench.creationOptions(), bench.requestOptions(passkey)]);

    expect(written).not.toContain(SUBJECT);
  });
});

describe('The handle of a passkey', () => {
  it('is the hash of the bytes of its id, whatever their text looks like to a database', () => {
    const ids = [Buffer.alloc(1_023, 1), Buffer.alloc(16, 0), Buffer.alloc(16, 26)];
    for (const id of ids) {
      const sha256 = createHash('sha256').update(id).digest('hex');
      expect(passkeyHandle(id.toString('base64url'))).toBe(sha256);
    }
    expect(passkeyHandle('abcd')).not.toBe(passkeyHandle('ABCD'));
  });
});

describe('A related origin', () => {
  it('is accepted when it is listed', async () => {
    const other = { origin: 'https://acme.test' };
    const related = await PasskeyBench.open({ relatedOrigins: [other.origin] }, other);
    const passkey = await related.enrol();
    const response = related.authenticator.get(related.requestOptions(passkey));
    expect((await related.assert(response, passkey)).refusal).toBeNull();

    const unrelated = await PasskeyBench.open({ origins: [ORIGIN] }, other);
    const registration = unrelated.authenticator.create(unrelated.creationOptions());
    expect((await unrelated.register(registration)).refusal).toBe('origin');
  });
});
