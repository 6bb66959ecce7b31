// The message of a release's tag is the entry of the changelog, so that the signature of the tag covers what the release says of itself.
//
//   node build/changelog-entry.js                  prints the entry of the version in package.json, for `git tag -F -`
//   node build/changelog-entry.js --compare FILE   compares the message of a tag with it; the release workflow runs this
import { readFileSync } from 'node:fs';

import { assertReleased } from './release.js';

/** How the signature begins that git writes below a tag's message: of OpenPGP, of SSH, or of X.509. */
const SIGNATURE = /^-----BEGIN (?:PGP SIGNATURE|SSH SIGNATURE|SIGNED MESSAGE)-----$/m;

/**
 * @param {string} changelog
 * @param {string} version
 * @returns {string} the entry with its heading.
 * @throws {Error} when the changelog has no dated entry for the version.
 */
export function entryOf(changelog, version) {
  assertReleased(changelog, version);
  const lines = changelog.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`## ${version} `));
  const end = lines.findIndex((line, index) => index > start && line.startsWith('## '));
  return `${lines
    .slice(start, end === -1 ? undefined : end)
    .join('\n')
    .trim()}\n`;
}

/**
 * @param {string} message of a tag, with its signature or without
 * @param {string} entry
 * @throws {Error} that names the first line that differs.
 */
export function assertSameText(message, entry) {
  const text = message.slice(0, SIGNATURE.exec(message)?.index);
  const [found, expected] = [text, entry].map((each) =>
    each
      .trim()
      .split('\n')
      .map((line) => line.trimEnd()),
  );
  for (let index = 0; index < Math.max(found.length, expected.length); index += 1) {
    if (found[index] === expected[index]) continue;
    const show = (/** @type {string | undefined} */ line) =>
      line === undefined ? 'nothing' : JSON.stringify(line);
    throw new Error(
      `The message of the tag is not the entry of CHANGELOG.md: line ${index + 1} is ${show(found[index])} instead of ` +
        `${show(expected[index])}. Tag again as CONTRIBUTING.md says, with --cleanup=whitespace.`,
    );
  }
}

if (process.argv[1]?.endsWith('changelog-entry.js')) {
  try {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    const entry = entryOf(readFileSync('CHANGELOG.md', 'utf8'), version);
    const [, , flag, file] = process.argv;
    if (flag === '--compare') assertSameText(readFileSync(file ?? '', 'utf8'), entry);
    else process.stdout.write(entry);
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
    process.exitCode = 1;
  }
}
