import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { KeyRing } from '../../../lib/crypto/index.js';
import { TwoFactorConfigurationError } from '../../../lib/errors/index.js';
import { EXAMPLE_SECRET, resolveOptions } from '../../../lib/options/index.js';
import { secretOf } from '../../support/secret.js';

const ONE = secretOf('one');
const TWO = secretOf('two');
const PRODUCTION = { NODE_ENV: 'production' };
const GUESSABLE =
  'is easier to guess than 32 random bytes (words, a pattern, a repetition, or a published text)';
const HOW_TO_DRAW = 'draw one with "openssl rand -base64 32"';

function kidsOf(...secrets: (string | Uint8Array)[]): string[] {
  return KeyRing.fromSecrets(secrets.map((secret) => Buffer.from(secret))).keys.map(
    ({ kid }) => kid,
  );
}

function kids(options: object, environment: NodeJS.ProcessEnv = PRODUCTION): string[] {
  return resolveOptions(options, environment).keyRing.keys.map(({ kid }) => kid);
}

/** The refusal with everything that is printed of it; it quotes none of the given texts. */
function refusal(
  options: object,
  environment: NodeJS.ProcessEnv = PRODUCTION,
  secrets: readonly string[] = [],
): string {
  const error = thrownBy(() => resolveOptions(options, environment));
  expect(error).toBeInstanceOf(TwoFactorConfigurationError);
  const printed = inspect(error, { depth: 9, showHidden: true });
  for (const secret of secrets) expect(printed).not.toContain(secret);
  return (error as Error).message;
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return 'nothing';
}

/** Lists are written as JSON. */
function environmentOf(variables: object): NodeJS.ProcessEnv {
  const texts = Object.entries(variables).map(([name, value]: [string, unknown]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return { ...PRODUCTION, ...(Object.fromEntries(texts) as NodeJS.ProcessEnv) };
}

describe('a secret', () => {
  it('may be text or bytes, and is taken byte by byte', () => {
    expect(kids({ secret: ONE })).toEqual(kidsOf(ONE));
    expect(kids({ secret: Buffer.from(ONE) })).toEqual(kidsOf(ONE));
    expect(kids({ secret: new Uint8Array(Buffer.from(ONE)) })).toEqual(kidsOf(ONE));
    expect(resolveOptions({ secret: ONE }, PRODUCTION).secretIsRandom).toBe(false);
  });

  it.each([
    ['openssl rand -base64 32', randomBytes(32).toString('base64')],
    ['openssl rand -hex 32', randomBytes(32).toString('hex')],
    ['32 random bytes', randomBytes(32)],
  ])('of %s is taken', (_, secret) => {
    expect(kids({ secret })).toHaveLength(1);
  });

  it.each<[string, unknown, string]>([
    ['has 31 bytes', ONE.slice(0, 31), 'has 31 bytes, and at least 32 are needed'],
    ['has 31 bytes of them', randomBytes(31), 'has 31 bytes, and at least 32 are needed'],
    ['is empty', '', 'has 0 bytes, and at least 32 are needed'],
    ['is one word over and over', 'changeme'.repeat(8), GUESSABLE],
    ['is all zero', Buffer.alloc(32), GUESSABLE],
    ['is all zero text', '0'.repeat(64), GUESSABLE],
    ['is all one byte', Buffer.alloc(64, 0xff), GUESSABLE],
    ['ends in a line break', `${ONE}\n`, 'contains white space, which is lost when it is copied'],
    ...['"', "'", '`'].map(
      (quote) =>
        [
          `stands in ${quote}`,
          `${quote}${ONE}${quote}`,
          'stands in quotes, which docker --env-file makes a part of it; remove them, or draw another one',
        ] as [string, unknown, string],
    ),
    ['has a blank', `${ONE} ${TWO}`, 'contains white space, which is lost when it is copied'],
    [
      'begins with a no-break space',
      `\u00a0${ONE}`,
      'contains white space, which is lost when it is copied',
    ],
    [
      'is the example of the documentation',
      EXAMPLE_SECRET,
      'is the example of the documentation, which everybody knows',
    ],
    [
      'is the example as bytes',
      Buffer.from(EXAMPLE_SECRET),
      'is the example of the documentation, which everybody knows',
    ],
    [
      'is the example decoded',
      Buffer.from(EXAMPLE_SECRET, 'base64'),
      'is the example of the documentation, which everybody knows',
    ],
    ['is null', null, 'is neither a string nor bytes'],
    ['is a number', 12_345, 'is neither a string nor bytes'],
    ['is a list', [ONE], 'is neither a string nor bytes'],
    ['is a wrapped string', Object(ONE), 'is neither a string nor bytes'],
  ])('that %s is refused with a remedy, and not quoted', (_, secret, what) => {
    const quoted = typeof secret === 'string' && secret.length > 8 ? [secret.trim()] : [];
    expect(refusal({ secret }, PRODUCTION, quoted)).toBe(`Option secret ${what}: ${HOW_TO_DRAW}.`);
    expect(refusal({ secrets: [TWO, secret] }, PRODUCTION, [...quoted, TWO])).toBe(
      `Option secrets[1] ${what}: ${HOW_TO_DRAW}.`,
    );
  });

  it('of the environment is judged like one of the code', () => {
    expect(refusal({}, { ...PRODUCTION, TWO_FACTOR_SECRET: 'too short' }, ['too short'])).toBe(
      `TWO_FACTOR_SECRET contains white space, which is lost when it is copied: ${HOW_TO_DRAW}.`,
    );
    expect(refusal({}, { ...PRODUCTION, TWO_FACTOR_SECRET: '' })).toBe(
      `TWO_FACTOR_SECRET has 0 bytes, and at least 32 are needed: ${HOW_TO_DRAW}.`,
    );
    const TWO_FACTOR_SECRETS = JSON.stringify([ONE, EXAMPLE_SECRET]);
    expect(refusal({}, { ...PRODUCTION, TWO_FACTOR_SECRETS }, [ONE, EXAMPLE_SECRET])).toBe(
      `TWO_FACTOR_SECRETS[1] is the example of the documentation, which everybody knows: ${HOW_TO_DRAW}.`,
    );
  });
});

describe('a ring of secrets', () => {
  it('keeps their order: the first signs', () => {
    expect(kids({ secrets: [ONE, Buffer.from(TWO)] })).toEqual(kidsOf(ONE, TWO));
    expect(kids({ secrets: [TWO, ONE] })).toEqual(kidsOf(TWO, ONE));
  });

  it.each<[unknown, string]>([
    [[], 'Option secrets is not a list of secrets. Give at least one; the first one signs.'],
    [ONE, 'Option secrets is not a list of secrets. Give at least one; the first one signs.'],
    [null, 'Option secrets is not a list of secrets. Give at least one; the first one signs.'],
    [
      { 0: ONE },
      'Option secrets is not a list of secrets. Give at least one; the first one signs.',
    ],
    [[ONE, TWO, ONE], 'The secrets number 1 and 3 are the same. Remove one of them.'],
    [[ONE, Buffer.from(ONE)], 'The secrets number 1 and 2 are the same. Remove one of them.'],
  ])('is refused when it is wrong (%#)', (secrets, message) => {
    expect(refusal({ secrets }, PRODUCTION, [ONE, TWO])).toBe(message);
  });

  it('excludes a single secret', () => {
    expect(refusal({ secret: ONE, secrets: [TWO] }, PRODUCTION, [ONE, TWO])).toBe(
      'Both option secret and option secrets are set. Keep one: option secrets is for rotation.',
    );
    const environment = { TWO_FACTOR_SECRET: ONE, TWO_FACTOR_SECRETS: JSON.stringify([TWO]) };
    expect(refusal({}, environment, [ONE, TWO])).toBe(
      'Both TWO_FACTOR_SECRET and TWO_FACTOR_SECRETS are set. Keep one: TWO_FACTOR_SECRETS is for rotation.',
    );
  });

  it('comes from TWO_FACTOR_SECRETS as a JSON array', () => {
    const TWO_FACTOR_SECRETS = JSON.stringify([ONE, TWO]);
    expect(kids({}, { ...PRODUCTION, TWO_FACTOR_SECRETS })).toEqual(kidsOf(ONE, TWO));
  });

  it.each<[string, object, object, string[]]>([
    ['adds to a ring', { secrets: [ONE] }, { TWO_FACTOR_SECRETS: [TWO, ONE] }, [TWO, ONE]],
    ['adds to a secret', { secret: ONE }, { TWO_FACTOR_SECRETS: [TWO, ONE] }, [TWO, ONE]],
    ['reorders a ring', { secrets: [ONE, TWO] }, { TWO_FACTOR_SECRETS: [TWO, ONE] }, [TWO, ONE]],
    ['repeats a secret', { secret: ONE }, { TWO_FACTOR_SECRET: ONE }, [ONE]],
    ['repeats a ring of bytes', { secrets: [Buffer.from(ONE)] }, { TWO_FACTOR_SECRET: ONE }, [ONE]],
    ['is not read', { secret: ONE, env: false }, { TWO_FACTOR_SECRET: TWO }, [ONE]],
  ])('is taken when the environment %s', (_, options, variables, secrets) => {
    const environment = environmentOf(variables);
    expect(kids(options, environment)).toEqual(kidsOf(...secrets));
    expect(resolveOptions(options, environment).secretIsReplaced).toBe(false);
  });

  it('warns when the only secret of the environment replaces the only one of the code', () => {
    const resolved = resolveOptions({ secret: ONE }, { TWO_FACTOR_SECRET: TWO });
    expect(resolved.keyRing.keys.map(({ kid }) => kid)).toEqual(kidsOf(TWO));
    expect(resolved.secretIsReplaced).toBe(true);
  });

  it.each<[object, object, string, string]>([
    [{ secrets: [ONE] }, { TWO_FACTOR_SECRET: TWO }, 'Option secrets[0]', 'TWO_FACTOR_SECRET'],
    [{ secrets: [TWO, ONE] }, { TWO_FACTOR_SECRET: TWO }, 'Option secrets[1]', 'TWO_FACTOR_SECRET'],
    [{ secret: ONE }, { TWO_FACTOR_SECRETS: [TWO] }, 'Option secret', 'TWO_FACTOR_SECRETS'],
    [
      { secrets: [ONE, Buffer.from(TWO)] },
      { TWO_FACTOR_SECRETS: [secretOf('three'), ONE] },
      'Option secrets[1]',
      'TWO_FACTOR_SECRETS',
    ],
  ])(
    'is refused when the environment would drop a secret of the code (%#)',
    (options, variables, option, variable) => {
      const environment = environmentOf(variables);
      expect(refusal(options, environment, [ONE, TWO])).toBe(
        `${option} is not in the environment's ${variable}, which would take the place of all secrets of the options and ` +
          'end the confirmations under this one. Unset the variable, or list all of them in TWO_FACTOR_SECRETS.',
      );
    },
  );

  it.each([ONE, `${ONE},${TWO}`, `['${ONE}']`, '', '['])(
    'is refused when TWO_FACTOR_SECRETS is not JSON (%#)',
    (TWO_FACTOR_SECRETS) => {
      expect(refusal({}, { TWO_FACTOR_SECRETS }, [ONE, TWO])).toBe(
        'TWO_FACTOR_SECRETS is not JSON. Write an array of strings without quotes around it: ["the new secret","the old one"]',
      );
    },
  );

  it.each([JSON.stringify(ONE), '[]', 'null', '{}', '5'])(
    'is refused when TWO_FACTOR_SECRETS is JSON but no list (%#)',
    (TWO_FACTOR_SECRETS) => {
      expect(refusal({}, { TWO_FACTOR_SECRETS }, [ONE])).toBe(
        'TWO_FACTOR_SECRETS is not a list of secrets. Give at least one; the first one signs.',
      );
    },
  );

  it('is refused when TWO_FACTOR_SECRETS lists something else than text', () => {
    expect(refusal({}, { TWO_FACTOR_SECRETS: `["${ONE}",5]` }, [ONE])).toBe(
      `TWO_FACTOR_SECRETS[1] is neither a string nor bytes: ${HOW_TO_DRAW}.`,
    );
  });
});

describe('without a secret', () => {
  it.each([{}, { NODE_ENV: 'production' }, { NODE_ENV: '' }, { NODE_ENV: 'staging' }])(
    'the module does not boot in %j',
    (environment) => {
      expect(refusal({}, environment)).toBe(
        'There is no secret: set the option secret (or TWO_FACTOR_SECRET) to at least 32 random bytes, and ' +
          `${HOW_TO_DRAW}; only NODE_ENV=development and NODE_ENV=test go without, and unset counts as production.`,
      );
      expect(refusal({ secret: undefined, secrets: undefined }, environment)).toContain(
        'There is no secret:',
      );
    },
  );

  it.each(['development', 'test'])(
    'the module draws one of its own with NODE_ENV=%s',
    (NODE_ENV) => {
      const one = resolveOptions({}, { NODE_ENV });
      const other = resolveOptions({}, { NODE_ENV });
      expect(one.secretIsRandom).toBe(true);
      expect(one.keyRing.keys).toHaveLength(1);
      expect(one.keyRing.current.kid).not.toBe(other.keyRing.current.kid);
    },
  );

  it('reads NODE_ENV, but not TWO_FACTOR_SECRET, with the option env: false', () => {
    expect(resolveOptions({ env: false }, { NODE_ENV: 'test' }).secretIsRandom).toBe(true);
    expect(refusal({ env: false }, { NODE_ENV: 'production', TWO_FACTOR_SECRET: ONE })).toContain(
      'There is no secret:',
    );
  });
});
