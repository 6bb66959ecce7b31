// Runs before `npm publish` (`prepublishOnly`), and refuses what must not be published. The pages of the package link to files
// that only the repository has, so that their links become absolute ones. `repository.url` in package.json is the one place
// where the address of the repository is written; the release workflow sets it.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';

/** The Markdown in the package. */
export const PAGES = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'docs/security.md'];

const LINK = /(\]\()([^)\s]+)(\))/g;
const IMAGE = /( src=")([^"]+)(")/g;
const ABSOLUTE = /^(?:[a-z]+:|#)/;

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

/**
 * @param {string} text a page
 * @param {string} path of the page, below the root
 * @param {(target: string, kind: 'blob' | 'raw') => string} addressOf
 */
export function withAbsoluteLinks(text, path, addressOf) {
  const replace =
    (/** @type {'blob' | 'raw'} */ kind) =>
    (
      /** @type {string} */ whole,
      /** @type {string} */ before,
      /** @type {string} */ href,
      /** @type {string} */ after,
    ) => {
      if (ABSOLUTE.test(href)) return whole;
      const [target = '', anchor] = href.split('#');
      const address = addressOf(posix.join(posix.dirname(path), target), kind);
      return `${before}${address}${anchor === undefined ? '' : `#${anchor}`}${after}`;
    };
  return text.replaceAll(LINK, replace('blob')).replaceAll(IMAGE, replace('raw'));
}

function release() {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const repository = repositoryOf(manifest);
  const { version } = manifest;
  assertReleased(readFileSync('CHANGELOG.md', 'utf8'), version);
  const addressOf = (/** @type {string} */ target, /** @type {'blob' | 'raw'} */ kind) => {
    if (!existsSync(target))
      throw new Error(`A page of the package links to ${target}, which does not exist.`);
    return `${repository}/${statSync(target).isDirectory() ? 'tree' : kind}/v${version}/${target}`;
  };
  for (const page of PAGES) {
    writeFileSync(page, withAbsoluteLinks(readFileSync(page, 'utf8'), page, addressOf));
  }
  process.stdout.write(
    `Links of ${PAGES.join(', ')} lead to ${repository}. Undo: git checkout ${PAGES.join(' ')}\n`,
  );
}

if (process.argv[1]?.endsWith('release.js')) {
  try {
    release();
  } catch (error) {
    process.stderr.write(`Not published: ${/** @type {Error} */ (error).message}\n`);
    process.exitCode = 1;
  }
}
