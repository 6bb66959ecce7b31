// What stands in this repository is known to everybody, so none of it is a secret that the module takes.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { resolveSecrets } from '../../lib/options/secrets.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PRODUCTION = { NODE_ENV: 'production' };

/**
 * Lock files hold digests of packages, and pictures hold no text. The test vectors of the W3C hold public keys and signatures,
 * which are in no configuration that a person copies.
 */
const NOT_READ = /(?:package-lock\.json|webauthn-vectors\.json|\.png)$/;
const files = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && !NOT_READ.test(file));
const texts = new Map(files.map((file) => [file, readFileSync(`${ROOT}${file}`, 'utf8')]));

/** The address of a page on the web. Long ones have as many digits as a secret. */
const PAGE = /https:\/\/[\w./%+~#?=&-]+/g;
/** The commit that an action is pinned to. */
const PINNED_ACTION = /^(\s*-? *uses: [\w./-]+@)[\da-f]{40}\b/gm;
const MIN_DIGITS = 3;

function boots(input: object, environment: NodeJS.ProcessEnv = PRODUCTION): boolean {
  try {
    resolveSecrets(input, environment, false);
    return true;
  } catch {
    return false;
  }
}

/** Every literal on a line that speaks of a secret, and what is assigned to a variable there. */
function namedAsSecrets(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => (/secret/i.test(line) ? valuesOf(line) : []))
    .filter((value) => !isComputed(value) && !isPath(value));
}

function valuesOf(line: string): string[] {
  return [
    ...Array.from(line.matchAll(/(['"`])((?:(?!\1)[^\\\n]|\\.)*)\1/g), ([, , literal]) => literal!),
    ...Array.from(
      line.matchAll(/secrets?\w*["']?\s*[=:]\s*([\w!#%&*+./=?@^-]+)(?:\s|$)/gi),
      ([, value]) => value!,
    ),
  ];
}

/** A template is filled in when it runs, and an address of a server is no secret of this module. */
function isComputed(value: string): boolean {
  return value.includes('${') || value.includes('://');
}

/** Every text without a blank that could be the hexadecimal digits or the base64 of 32 bytes, wherever it stands. */
function randomLooking(text: string): string[] {
  return Array.from(
    text
      .replace(PINNED_ACTION, '$1')
      .replace(PAGE, '')
      .matchAll(/[\w+/=-]{32,}/g),
    ([word]) => word,
  ).filter((word) => (word.match(/\d/g)?.length ?? 0) >= MIN_DIGITS && !isPath(word));
}

function isPath(word: string): boolean {
  const path = word.replace(/^[./]+/, '').replace(/\.js$/, '.ts');
  return files.some((file) => file.includes(path));
}

describe('Secrets that are printed in the repository', () => {
  it('are searched for in README, guides, sample application, tests and benchmarks', () => {
    for (const file of [
      'README.md',
      'docs/start.md',
      'sample-app/development.env',
      'test/unit/crypto/mac.spec.ts',
      'bench/setup/options.js',
      'lib/options/known-text.ts',
    ]) {
      expect(texts.has(file), file).toBe(true);
    }
  });

  it('boot no application in production when their line calls them secrets', () => {
    const found = Array.from(texts).flatMap(([file, text]) =>
      namedAsSecrets(text)
        .filter((secret) => boots({ secret }) || boots({}, { TWO_FACTOR_SECRET: secret }))
        .map((secret) => `${file}: ${secret}`),
    );
    expect(found).toEqual([]);
  });

  it('boot no application in production when they look random', () => {
    const found = Array.from(texts).flatMap(([file, text]) =>
      randomLooking(text)
        .filter((secret) => boots({ secret }))
        .map((secret) => `${file}: ${secret}`),
    );
    expect(found).toEqual([]);
  });

  it.each([
    (secret: string) => `secret: '${secret}',`,
    (secret: string) => `const SECRET = Buffer.from("${secret}");`,
    (secret: string) => `TWO_FACTOR_SECRET=${secret} npm start`,
    (secret: string) => `  TWO_FACTOR_SECRETS: ["${secret}"]`,
    (secret: string) => `docker run -e KEY=${secret}`,
    (secret: string) => `| \`${secret}\` | an example |`,
  ])('would be found: %s', (printed) => {
    // Drawn here, so that it is not printed.
    const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex');
    const found = [...namedAsSecrets(printed(secret)), ...randomLooking(printed(secret))];
    expect(found.some((each) => boots({ secret: each }))).toBe(true);
  });

  it('may be the commit that an action is pinned to, and nothing else in a workflow', () => {
    const commit = Buffer.from(crypto.getRandomValues(new Uint8Array(20))).toString('hex');
    expect(randomLooking(`      - uses: actions/checkout@${commit} # v7`)).toEqual([]);
    expect(randomLooking(`      - run: echo ${commit}`)).toEqual([commit]);
  });
});
