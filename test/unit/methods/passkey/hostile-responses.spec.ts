// Threat: bytes that cost the server more than the client, or that end in another error than a refusal (a 500). What they cost is
// counted, not timed: how often the decoder reads. test/event-loop measures the same bombs in child processes.
import { generateKeyPairSync } from 'node:crypto';

import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { encodeCbor, type CborValue } from '../../../../lib/testing/cbor.js';
import { cborBombs } from '../../../support/cbor-bombs.js';
import { PASSKEY_OPTIONS, PasskeyBench, randomText } from '../../../support/passkeys.js';

/** No response is longer, and each of its bytes is decoded by at most six passes: ours, and those of the library. */
const MAX_READS = 6 * 8_192;
const BOMBS = cborBombs(PASSKEY_OPTIONS.rpId);

afterEach(() => vi.restoreAllMocks());

const base64url = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url');

describe('A registration', () => {
  it.each([...BOMBS.keys()])('is refused after few reads when it is %s', async (name) => {
    const bench = await PasskeyBench.open();
    const good = bench.authenticator.create(bench.creationOptions());
    const attestationObject = base64url(BOMBS.get(name)!) || 'AA';
    const hostile = { ...good, response: { ...good.response, attestationObject } };
    const reads = vi.spyOn(DataView.prototype, 'getUint8');

    const outcome = await bench.register(hostile);
    expect(outcome.credential).toBeNull();
    expect(outcome.refusal).toMatch(/^(?:malformed|credential|algorithm)$/);
    expect(reads.mock.calls.length).toBeLessThan(MAX_READS);
  });

  it('would be found to read too much when a decoder reads all bytes for each byte', () => {
    const reads = vi.spyOn(DataView.prototype, 'getUint8');
    const bytes = new DataView(new ArrayBuffer(1_024));
    for (let round = 0; round < bytes.byteLength; round += 1) {
      for (let index = 0; index < bytes.byteLength; index += 1) bytes.getUint8(index);
    }
    expect(reads.mock.calls.length).toBeGreaterThan(MAX_READS);
  });

  it('has planted CBOR bombs that the decoder of the library reads', async () => {
    const bench = await PasskeyBench.open();
    const good = bench.authenticator.create(bench.creationOptions());
    const attestationObject = base64url(BOMBS.get('empty maps, as the extensions')!);
    const reads = vi.spyOn(DataView.prototype, 'getUint8');

    await bench.register({ ...good, response: { ...good.response, attestationObject } });
    expect(reads.mock.calls.length).toBeGreaterThan(5_000);
  });

  it('is refused when bytes are left over, and when the data are too short', async () => {
    const bench = await PasskeyBench.open();
    const good = bench.authenticator.create(bench.creationOptions());
    const bytes = Buffer.from(good.response.attestationObject, 'base64url');
    const data = bytes.subarray(bytes.indexOf('authData') + 10);
    const withData = (authData: Uint8Array): object => {
      const members: [string, CborValue][] = [
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData],
      ];
      return {
        ...good,
        response: { ...good.response, attestationObject: base64url(encodeCbor(new Map(members))) },
      };
    };

    expect((await bench.register(withData(data))).refusal).toBeNull();
    const broken = [
      Buffer.concat([data, data]),
      ...[0, 1, 36, 37, 54, 60, data.length - 1].map((end) => data.subarray(0, end)),
    ];
    for (const authData of broken) {
      // Without its last byte, the key has a point that is too short.
      expect((await bench.register(withData(authData))).refusal).toMatch(
        /^(?:malformed|algorithm)$/,
      );
    }
  });

  it('is refused when it claims to be backed up but not eligible for a backup', async () => {
    const bench = await PasskeyBench.open();
    const good = bench.authenticator.create(bench.creationOptions());
    const bytes = Buffer.from(good.response.attestationObject, 'base64url');
    // Behind the name of the member, its length in 2 bytes, and the hash of the domain.
    const flags = bytes.indexOf('authData') + 10 + 32;
    expect(bytes[flags]).toBe(0x45);
    bytes[flags] = 0x55;
    const hostile = {
      ...good,
      response: { ...good.response, attestationObject: base64url(bytes) },
    };

    expect((await bench.register(hostile)).refusal).toBe('backup-flags');
  });

  it('ends in a refusal when any of its bytes is changed', async () => {
    const bench = await PasskeyBench.open();
    const good = bench.authenticator.create(bench.creationOptions());
    const bytes = Buffer.from(good.response.attestationObject, 'base64url');
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (index, change) => {
          const changed = Buffer.from(bytes);
          changed[index]! ^= change;
          const attestationObject = base64url(changed);
          const { refusal, credential } = await bench.register({
            ...good,
            response: { ...good.response, attestationObject },
          });
          expect(refusal === null).toBe(credential !== null);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('An assertion', () => {
  it('is refused when any bit of what is signed, or of the numbers of the signature, is changed', async () => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const good = bench.authenticator.get(bench.requestOptions(passkey));
    expect((await bench.assert(good, passkey)).refusal).toBeNull();

    for (const member of ['clientDataJSON', 'authenticatorData', 'signature'] as const) {
      const bytes = Buffer.from(good.response[member], 'base64url');
      // The library reads tags and lengths of the two numbers leniently, which changes nothing that is signed.
      const lengthOfR = bytes[3]!;
      const headers = member === 'signature' ? [0, 1, 2, 3, 4 + lengthOfR, 5 + lengthOfR] : [];
      for (let bit = 0; bit < bytes.length * 8; bit += 7) {
        if (headers.includes(bit >> 3)) continue;
        const changed = Buffer.from(bytes);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const hostile = { ...good, response: { ...good.response, [member]: base64url(changed) } };
        expect((await bench.assert(hostile, passkey)).evidence, `${member}, bit ${bit}`).toBeNull();
      }
    }
  });

  it.each([
    ['no JSON', '{'],
    ['a number', '7'],
    ['null', 'null'],
    ['an array', '[]'],
    ['arrays in arrays', '['.repeat(5_000)],
    ['objects in objects', '{"a":'.repeat(1_000)],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a long number', `{"type":${'9'.repeat(5_000)}}`],
    ['a type that is an object', '{"type":{}}'],
  ])('is refused when its client data are %s', async (_, text) => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const good = bench.authenticator.get(bench.requestOptions(passkey));
    const hostile = { ...good, response: { ...good.response, clientDataJSON: base64url(text) } };

    expect((await bench.assert(hostile, passkey)).refusal).toMatch(/^(?:malformed|type)$/);
  });

  it.each([
    ['crossOrigin', 'yes', 'cross-origin'],
    ['crossOrigin', 0, 'cross-origin'],
    ['crossOrigin', {}, 'cross-origin'],
    ['topOrigin', '', 'cross-origin'],
    ['topOrigin', null, 'cross-origin'],
    ['origin', ['https://acme.example'], 'origin'],
    ['origin', { toString: 'https://acme.example' }, 'origin'],
    ['origin', 'https://acme.example/', 'origin'],
    ['origin', undefined, 'origin'],
    ['challenge', undefined, 'challenge'],
    ['challenge', [], 'challenge'],
    ['challenge', '', 'challenge'],
    ['type', 'webauthn.get ', 'type'],
    ['type', ['webauthn.get'], 'type'],
  ])('is refused when %s is %j', async (member, value, refusal) => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const good = bench.authenticator.get(bench.requestOptions(passkey));
    const data = JSON.parse(
      Buffer.from(good.response.clientDataJSON, 'base64url').toString(),
    ) as object;
    const clientDataJSON = base64url(JSON.stringify({ ...data, [member]: value }));

    expect(
      (await bench.assert({ ...good, response: { ...good.response, clientDataJSON } }, passkey))
        .refusal,
    ).toBe(refusal);
  });

  it.each([
    ['empty', Buffer.alloc(1)],
    ['not DER', Buffer.alloc(64, 1)],
    ['long', Buffer.alloc(5_000, 0x30)],
    ['r and s of 0', Buffer.from([0x30, 6, 2, 1, 0, 2, 1, 0])],
  ])('is refused when its signature is %s', async (_, bytes) => {
    const bench = await PasskeyBench.open();
    const passkey = await bench.enrol();
    const good = bench.authenticator.get(bench.requestOptions(passkey));
    const hostile = { ...good, response: { ...good.response, signature: base64url(bytes) } };

    expect((await bench.assert(hostile, passkey)).refusal).toMatch(/^(?:malformed|signature)$/);
  });
});

describe('A key', () => {
  const bytes = (text: string | undefined): Buffer => Buffer.from(text!, 'base64url');
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    format: 'jwk',
  });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({
    format: 'jwk',
  });
  const rsa = (modulusLength: number, publicExponent = 65_537): Map<number, CborValue> => {
    const { n, e } = generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey.export(
      { format: 'jwk' },
    );
    return new Map<number, CborValue>([
      [1, 3],
      [3, -257],
      [-1, bytes(n)],
      [-2, bytes(e)],
    ]);
  };
  const ec = (alg: number, curve: number, x: Buffer, y: Buffer): Map<number, CborValue> =>
    new Map<number, CborValue>([
      [1, 2],
      [3, alg],
      [-1, curve],
      [-2, x],
      [-3, y],
    ]);

  /** Registers a passkey with this key, which no authenticator has to hold: a registration is not signed. */
  async function register(key: Map<number, CborValue> | Buffer): Promise<string | null> {
    const bench = await PasskeyBench.open();
    const good = bench.authenticator.create(bench.creationOptions());
    const object = Buffer.from(good.response.attestationObject, 'base64url');
    const id = bytes(good.id);
    const data = object.subarray(object.indexOf('authData') + 10);
    const authData = Buffer.concat([
      data.subarray(0, data.indexOf(id) + id.length),
      key instanceof Map ? encodeCbor(key) : key,
    ]);
    const members: [string, CborValue][] = [
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', authData],
    ];
    const attestationObject = base64url(encodeCbor(new Map(members)));
    return (await bench.register({ ...good, response: { ...good.response, attestationObject } }))
      .refusal;
  }

  it.each([
    ['P-256', ec(-7, 1, bytes(p256.x), bytes(p256.y))],
    ['RSA with 2,048 bits', rsa(2_048)],
    ['RSA with 4,096 bits', rsa(4_096)],
  ])('is accepted when it is %s', async (_, key) => {
    expect(await register(key)).toBeNull();
  });

  it.each([
    ['P-384 for ES256', ec(-7, 2, bytes(p384.x), bytes(p384.y))],
    ['P-384', ec(-35, 2, bytes(p384.x), bytes(p384.y))],
    ['secp256k1', ec(-47, 8, bytes(p256.x), bytes(p256.y))],
    ['a point that is not on the curve', ec(-7, 1, bytes(p256.x), bytes(p256.x))],
    ['a point at 0', ec(-7, 1, Buffer.alloc(32), Buffer.alloc(32))],
    ['a point that is too short', ec(-7, 1, bytes(p256.x).subarray(1), bytes(p256.y))],
    [
      'without a point',
      new Map<number, CborValue>([
        [1, 2],
        [3, -7],
        [-1, 1],
      ]),
    ],
    [
      'Ed448',
      new Map<number, CborValue>([
        [1, 1],
        [3, -8],
        [-1, 7],
        [-2, Buffer.alloc(57, 1)],
      ]),
    ],
    ['RSA for ES256', new Map<number, CborValue>([...rsa(2_048), [3, -7]])],
    ['RSA with 1,024 bits', rsa(1_024)],
    ['RSA with 4,224 bits', rsa(4_224)],
    ['RSA with the exponent 3', rsa(2_048, 3)],
    [
      'RSA with zeros',
      new Map<number, CborValue>([
        [1, 3],
        [3, -257],
        [-1, Buffer.alloc(256)],
        [-2, Buffer.from([1, 0, 1])],
      ]),
    ],
    ['RSA with SHA-1', new Map<number, CborValue>([...rsa(2_048), [3, -65_535]])],
    ['RSA with PSS', new Map<number, CborValue>([...rsa(2_048), [3, -37]])],
    [
      'a text',
      new Map<number, CborValue>([
        [1, 'EC'],
        [3, 'ES256'],
      ]),
    ],
    ['an empty map', new Map<number, CborValue>()],
  ])('is refused when it is %s', async (_, key) => {
    expect(await register(key)).toBe('algorithm');
  });

  it.each([
    ['an integer', '05'],
    ['a negative integer', '20'],
    ['null', 'f6'],
    ['undefined', 'f7'],
    ['true', 'f5'],
    ['a number with a fraction', 'f93e00'],
    ['a text', '63616263'],
    ['bytes', '43616263'],
    ['an empty array', '80'],
    ['an array of integers', '83010203'],
  ])('is malformed when it is no map but %s', async (_, hex) => {
    expect(await register(Buffer.from(hex, 'hex'))).toBe('malformed');
  });

  // { 1: type, 3: algorithm, -1: curve, -2: x, -3: y }, each of them replaced in turn.
  it.each([
    ['null', 'f6'],
    ['true', 'f5'],
    ['an array', '80'],
    ['a map', 'a0'],
    ['a text', '63616263'],
    ['a long integer', '1b7fffffffffffffff'],
    ['bytes', '43616263'],
  ])('is refused when one of its values is %s', async (_, hex) => {
    const members: [string, string][] = [
      ['01', '02'],
      ['03', '26'],
      ['20', '01'],
      ['21', encodeCbor(bytes(p256.x)).toString('hex')],
      ['22', encodeCbor(bytes(p256.y)).toString('hex')],
    ];
    for (const replaced of members.keys()) {
      const odd = members.map(([label, value], at) => label + (at === replaced ? hex : value));
      expect(await register(Buffer.from(`a5${odd.join('')}`, 'hex'))).toMatch(
        /^(?:malformed|algorithm)$/,
      );
    }
    const whole = members.map((member) => member.join('')).join('');
    expect(await register(Buffer.from(`a5${whole}`, 'hex'))).toBeNull();
  });

  it('is not known under another id', async () => {
    const bench = await PasskeyBench.open();
    const id = randomText();
    const good = bench.authenticator.create(bench.creationOptions());
    expect((await bench.register({ ...good, id, rawId: id })).refusal).toBe('credential');
  });
});
