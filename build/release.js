// Runs before `npm publish` (`prepublishOnly`), and refuses what must not be published. `repository.url` in package.json is the one
// place where the address of the repository is written; the release workflow sets it.
import { readFileSync } from 'node:fs';

/**
 * @param {{ version?: string, repository?: { url?: string } }} manifest
 * @returns {string} the address of the repository as a browser opens it, without a slash at its end.
 * @throws {Error} when the manifest has none.
 */
export function repositoryOf({ repository }) {
  const [, address] =
    /^git\+(https:\/\/[^/]+\/[^/]+\/[^/]+)\.git$/.exec(repository?.url ?? '') ?? [];
  if (address === undefined) {
    throw new Error(
      'package.json has no address of the repository, and the links of the package would lead nowhere: run ' +
        'npm pkg set repository.type=git repository.url=git+https://<host>/<owner>/<name>.git',
    );
  }
  return address;
}

/** @throws {Error} when the changelog has no dated entry for the version. */
export function assertReleased(/** @type {string} */ changelog, /** @type {string} */ version) {
  const heading = changelog.split('\n').find((line) => line.startsWith(`## ${version} `)) ?? '';
  if (/^## \S+ \(\d{4}-\d{2}-\d{2}\)$/.test(heading)) return;
  throw new Error(
    `CHANGELOG.md has no dated entry of ${version}: write "## ${version} (YYYY-MM-DD)" above what has changed.`,
  );
}

function release() {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const repository = repositoryOf(manifest);
  assertReleased(readFileSync('CHANGELOG.md', 'utf8'), manifest.version);
  process.stdout.write(`Version ${manifest.version} of ${repository} may be published.\n`);
}

if (process.argv[1]?.endsWith('release.js')) {
  try {
    release();
  } catch (error) {
    process.stderr.write(`Not published: ${/** @type {Error} */ (error).message}\n`);
    process.exitCode = 1;
  }
}
