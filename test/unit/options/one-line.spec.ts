import { describe, expect, it } from 'vitest';

import { parseBinding } from '../../../lib/confirmation/index.js';
import { TwoFactorConfigurationError, TwoFactorInputError } from '../../../lib/errors/index.js';
import { resolveOptions } from '../../../lib/options/index.js';
import { secretOf } from '../../support/secret.js';

const secret = secretOf('one line');
const FORGING = [
  '\u0000',
  '\t',
  '\n',
  '\r',
  '\u001f',
  '\u007f',
  '\u0085',
  '\u009f',
  '\u061c',
  '\u200e',
  '\u200f',
  '\u2028',
  '\u2029',
  '\u202a',
  '\u202e',
  '\u2066',
  '\u2069',
];
const HARMLESS = ['\u00a0', '\u00e9', '\u200d', '\u200c', '\u3000', '\u{1f469}\u200d\u{1f680}'];

describe('a text that messages quote', () => {
  it.each(FORGING)(
    'is refused when the details contain the character %j at any depth',
    (character) => {
      const text = `a${character}b`;
      for (const details of [
        text,
        [text],
        { a: text },
        { [text]: 1 },
        { a: [{ b: { c: text } }] },
      ]) {
        expect(() => parseBinding({ details })).toThrow(TwoFactorInputError);
        expect(() => parseBinding({ details })).not.toThrow(text);
      }
    },
  );

  it.each(FORGING)(
    'is refused at boot when a verboseName contains the character %j',
    (character) => {
      const senders = { sms: { backend: 'sms', verboseName: `Text${character}message` } };
      const boot = (): unknown => resolveOptions({ secret, senders }, { NODE_ENV: 'test' });
      expect(boot).toThrow(TwoFactorConfigurationError);
      expect(boot).toThrow(
        /^The verboseName of sender sms stands in messages, and is not one line/,
      );
    },
  );

  it.each(HARMLESS)('may contain the character %j', (character) => {
    const text = `a${character}b`;
    expect(parseBinding({ details: { [text]: text } }).details).toContain(text);
    const senders = { sms: { backend: 'sms', verboseName: text } };
    expect(resolveOptions({ secret, senders }, { NODE_ENV: 'test' }).senders.size).toBe(1);
  });
});
