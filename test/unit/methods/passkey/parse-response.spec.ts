// Threat: a body that costs the server more than the client. Lengths are checked before any text is read, so that megabytes are
// never decoded; what fits is well formed before a decoder sees it.
import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorInputError } from '../../../../lib/index.js';
import {
  parseAssertion,
  parseRegistration,
} from '../../../../lib/methods/passkey/parse-response.js';

const ID = Buffer.alloc(32, 7).toString('base64url');
const TEXT = Buffer.from('{"type":"webauthn.get"}').toString('base64url');
const assertion = {
  id: ID,
  rawId: ID,
  type: 'public-key',
  response: { clientDataJSON: TEXT, authenticatorData: ID, signature: ID, userHandle: ID },
};
const registration = {
  id: ID,
  rawId: ID,
  type: 'public-key',
  response: { clientDataJSON: TEXT, attestationObject: ID, transports: ['usb', 'internal'] },
};
const PARSERS = [
  ['assertion', parseAssertion, assertion],
  ['registration', parseRegistration, registration],
] as const;
const RULE =
  "A passkey's response is what toJSON() of the browser's credential answers, in base64url and up to 8192 characters.";

afterEach(() => vi.restoreAllMocks());

const withMember = (base: { response: object }, member: string, value: unknown): object =>
  member in base.response
    ? { ...base, response: { ...base.response, [member]: value } }
    : { ...base, [member]: value };

describe.each(PARSERS)('The response of a passkey (%s)', (_, parse, good) => {
  const members = ['id', ...Object.keys(good.response)].filter((member) => member !== 'transports');

  it('is taken member by member when it is what browsers send', () => {
    const sent = {
      ...good,
      authenticatorAttachment: 'platform',
      clientExtensionResults: { credProps: { rk: true } },
      evil: 1,
      response: { ...good.response, publicKeyAlgorithm: -7, evil: 1 },
    };
    expect(parse(sent)).toEqual(good);
    expect(parse(JSON.parse(JSON.stringify(sent)))).toEqual(good);
  });

  it.each(members)('is refused without being read when %s has a megabyte', (member) => {
    const decode = vi.spyOn(Buffer, 'from');
    const megabyte = 'A'.repeat(1_048_576);
    const hostile: Record<string, unknown> = { ...withMember(good, member, megabyte) };
    if (member === 'id') hostile['rawId'] = megabyte;

    expect(() => parse(hostile)).toThrow(new TwoFactorInputError(RULE));
    expect(decode).not.toHaveBeenCalled();
  });

  it('is refused when its members together are longer than 8 kB, and taken up to there', () => {
    const used =
      ID.length +
      Object.values(good.response).reduce<number>(
        (sum, text) => sum + (typeof text === 'string' ? text.length : 0),
        0,
      );
    const filled = (length: number): object =>
      withMember(good, 'clientDataJSON', 'A'.repeat(length));
    const rest = 8_192 - used + TEXT.length;

    expect(() => parse(filled(rest))).not.toThrow();
    // One more group of 4, because a text of base64url cannot have just any length.
    expect(() => parse(filled(rest + 4))).toThrow(TwoFactorInputError);
  });

  it.each(members)('is refused when %s is no base64url of any bytes', (member) => {
    const bad = [
      'A',
      'AB',
      'AAA=',
      'AA==',
      'A A',
      'AA+/',
      'AAAé',
      'AAA\n',
      '\u{1f600}',
      {},
      [],
      1,
      true,
    ];
    // An empty or absent handle means that there is none.
    if (member !== 'userHandle') bad.push('', undefined as never, null as never);
    for (const value of bad) {
      const hostile: Record<string, unknown> = { ...withMember(good, member, value) };
      if (member === 'id') hostile['rawId'] = value;
      expect(() => parse(hostile), JSON.stringify(value)).toThrow(new TwoFactorInputError(RULE));
    }
  });

  it.each([
    undefined,
    null,
    '',
    'text',
    1,
    true,
    [],
    {},
    [good],
    { ...good, response: null },
    { ...good, response: 'text' },
    { ...good, response: [] },
    { ...good, type: 'password' },
    { ...good, type: undefined },
    { ...good, rawId: undefined },
    { ...good, rawId: 'AAAA' },
    { ...good, id: 'A'.repeat(1_368), rawId: 'A'.repeat(1_368) },
  ])('is refused when it is %j', (hostile) => {
    expect(() => parse(hostile)).toThrow(new TwoFactorInputError(RULE));
  });

  it('is refused by no other error when it is any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 4 }), (value, member) => {
        for (const hostile of [
          value,
          { ...good, response: value },
          withMember(good, 'clientDataJSON', member),
        ]) {
          try {
            parse(hostile);
          } catch (error) {
            expect(error).toBeInstanceOf(TwoFactorInputError);
          }
        }
      }),
    );
  });

  it('repeats nothing of the client in its refusal', () => {
    const hostile = withMember(good, 'clientDataJSON', 'secret text of the client');
    expect(() => parse(hostile)).toThrow(new TwoFactorInputError(RULE));
  });
});

describe('The transports of a registration', () => {
  it.each([
    [['usb', 'nfc', 'ble', 'smart-card', 'hybrid', 'internal', 'cable'], 7],
    [Array.from({ length: 1_000 }, () => 'usb'), 8],
    [['usb', 'U', '', 'a b', 'a'.repeat(33), 7, null, {}], 1],
    ['usb', 0],
    [undefined, 0],
    [{ length: 3 }, 0],
  ])('keep only short names of browsers when they are %j', (transports, kept) => {
    const { response } = parseRegistration(withMember(registration, 'transports', transports));
    expect(response.transports).toHaveLength(kept);
  });
});
