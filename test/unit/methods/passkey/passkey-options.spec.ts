import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../../lib/index.js';
import { resolvePasskeyOptions } from '../../../../lib/methods/passkey/passkey-options.js';
import { PASSKEY_OPTIONS } from '../../../support/passkeys.js';

/** The message of the refusal; `null` when the options are accepted. */
function refusal(options: object | undefined): string | null {
  try {
    resolvePasskeyOptions({ ...PASSKEY_OPTIONS, ...options });
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    return (error as Error).message;
  }
}

const ANDROID = `android:apk-key-hash:${'A'.repeat(43)}`;

describe('The options of passkeys', () => {
  it('have the hash of the domain, all origins and their default when resolved', () => {
    expect(
      resolvePasskeyOptions({ ...PASSKEY_OPTIONS, relatedOrigins: ['https://acme.test'] }),
    ).toEqual({
      rpName: 'ACME',
      rpId: 'acme.example',
      rpIdHash: createHash('sha256').update('acme.example').digest(),
      origins: new Set(['https://acme.example', 'https://acme.test']),
      synced: true,
    });
    expect(resolvePasskeyOptions({ ...PASSKEY_OPTIONS, synced: false }).synced).toBe(false);
  });

  it.each([
    [['https://acme.example']],
    [['https://acme.example:8443']],
    [['https://www.acme.example', 'https://a.b.acme.example']],
    [[ANDROID]],
  ])('take the origins %j', (origins) => {
    expect(refusal({ origins })).toBeNull();
  });

  it.each([['http://localhost'], ['http://localhost:3000'], ['https://localhost:3000']])(
    'take the origin %s when the domain is localhost',
    (origin) => {
      expect(refusal({ rpId: 'localhost', origins: [origin] })).toBeNull();
    },
  );

  it.each([
    ['http://acme.example'],
    ['http://localhost.acme.example'],
    ['acme.example'],
    ['//acme.example'],
    ['ftp://acme.example'],
    [''],
    ['*'],
    ['null'],
    ['chrome-extension://abcdefghijklmnop'],
    ['android:apk-key-hash:'],
    [`${ANDROID}A`],
    ['android:apk-key-hash-sha256:abc'],
  ])('are refused with the schemes that browsers take when an origin is %j', (origin) => {
    expect(refusal({ origins: ['https://acme.example', origin] })).toBe(
      `Option origins of passkeys has ${shown(origin)}. Browsers use passkeys on https:// origins and, for development, on ` +
        'http://localhost. An Android app has android:apk-key-hash: and the SHA-256 of its certificate in base64url.',
    );
  });

  it.each([
    ['https://acme.example/', 'https://acme.example'],
    ['https://acme.example/login', 'https://acme.example'],
    ['https://acme.example:443', 'https://acme.example'],
    ['https://ACME.example', 'https://acme.example'],
    ['https://ann@acme.example', 'https://acme.example'],
    ['HTTPS://acme.example', 'https://acme.example'],
  ])('are refused with the right text when an origin is %s', (origin, right) => {
    const rule = `Write ${right}: scheme, host and port, as browsers send them.`;
    expect(refusal({ origins: [origin] })).toBe(
      `Option origins of passkeys has ${shown(origin)}. ${rule}`,
    );
    expect(refusal({ relatedOrigins: [origin] })).toBe(
      `Option relatedOrigins of passkeys has ${shown(origin)}. ${rule}`,
    );
  });

  it.each(['http://localhost:3000/', 'http://localhost:3000/login'])(
    'are refused with the right text when the origin of a developer is %s',
    (origin) => {
      expect(refusal({ rpId: 'localhost', origins: [origin] })).toBe(
        `Option origins of passkeys has ${shown(origin)}. Write http://localhost:3000: scheme, host and port, as browsers send them.`,
      );
    },
  );

  it.each([
    ['https://acme.test'],
    ['https://example'],
    ['https://evilacme.example'],
    ['https://acme.example.evil.test'],
    ['http://localhost:3000'],
  ])('are refused with the two remedies when the origin %s is of another domain', (origin) => {
    expect(refusal({ origins: [origin] })).toBe(
      `Option origins of passkeys has "${origin}", and browsers use passkeys of acme.example only on that domain and its ` +
        'subdomains. Correct rpId, or list the origin under relatedOrigins and at https://acme.example/.well-known/webauthn.',
    );
  });

  it('take an origin of another domain when it is listed as related, and no related one without https', () => {
    const origins = ['https://acme.test'];
    expect(refusal({ origins, relatedOrigins: origins })).toBeNull();
    expect(refusal({ relatedOrigins: ['http://localhost:3000'] })).toContain(
      'Option relatedOrigins of passkeys has "http://localhost:3000". Browsers use passkeys on https:// origins',
    );
  });

  it('are refused with the origin to list when origins are empty', () => {
    expect(refusal({ origins: [] })).toBe(
      'Option origins of passkeys is empty. List the origin of your pages: https://acme.example.',
    );
  });

  it.each([
    [undefined],
    ['https://acme.example'],
    ['acme.example:443'],
    ['ACME.example'],
    ['.acme.example'],
    ['acme.example.'],
    ['acme..example'],
    ['-acme.example'],
    ['example'],
    ['127.0.0.1'],
    ['[::1]'],
    ['bücher.example'],
    ['*.acme.example'],
    [`${'a.'.repeat(126)}example`],
    [''],
    [42],
  ])('are refused with what a domain is when rpId is %j', (rpId) => {
    expect(refusal({ rpId })).toContain('. Give a domain in lower case without scheme and port,');
  });

  it.each([[undefined], [''], [' '], ['a\nb'], ['\u202eEMCA'], ['a'.repeat(65)], [7]])(
    'are refused with what a name is when rpName is %j',
    (rpName) => {
      expect(refusal({ rpName })).toContain("Give the application's name: one line without");
    },
  );

  it.each([
    [
      { origins: 'https://acme.example' },
      'Option origins of passkeys is "https://acme.example". Give an array',
    ],
    [{ origins: [1] }, 'Option origins of passkeys is an array. Give an array of origins'],
    [{ relatedOrigins: null }, 'Option relatedOrigins of passkeys is null. Give an array'],
    [{ synced: null }, 'Option synced of passkeys is null. Give true or false.'],
    [
      { relatedOrigins: {} },
      'Option relatedOrigins of passkeys is a value of type object. Give an array',
    ],
    [{ synced: 'no' }, 'Option synced of passkeys is "no". Give true or false.'],
    [
      { orgins: [] },
      'There is no option of passkeys orgins. Known: origins, relatedOrigins, rpId, rpName, synced.',
    ],
  ])('are refused when they are %j', (options, message) => {
    expect(refusal(options)).toContain(message);
  });

  it.each([[undefined], [null], ['acme.example'], [[]]])(
    'are refused when they are %j',
    (options) => {
      expect(() => resolvePasskeyOptions(options as never)).toThrow(TwoFactorConfigurationError);
    },
  );
});

const shown = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
