// Runs while npm packs: `prepack` calls `prepare`, and `postpack` calls `restore`. README.md and the other pages of the package link to
// files that only the repository has, so that a reader of the package would follow links to nowhere.
//
// - With `repository.url` in package.json, every link in the package leads to the file in the repository at the tag of the version.
// - Without it, which is how a package is packed for a test, a link to a file that is not packed becomes its text and the path of
//   the file, and a picture becomes its description.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';

import { repositoryOf } from './release.js';

/** The Markdown in the package. */
export const PAGES = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'docs/security.md'];

/** Keeps the pages as they were, and as they are packed, until the package is packed. */
const KEPT = '.tmp/packed-pages.json';
const LINK = /\[([^\]]*)\]\(([^)\s]+)\)/g;
const IMAGE = /<img src="([^"]+)"([^>]*)>/g;
const ABSOLUTE = /^(?:[a-z]+:|#)/;

/**
 * @param {string} text a page
 * @param {string} path of the page, below the root
 * @param {(target: string, kind: 'blob' | 'raw') => string | null} addressOf `null` for a file that a reader of the package cannot reach.
 */
export function withReachableLinks(text, path, addressOf) {
  const reach = (/** @type {string} */ href, /** @type {'blob' | 'raw'} */ kind) => {
    if (ABSOLUTE.test(href)) return { target: href, address: href };
    const [file = '', anchor] = href.split('#');
    const target = posix.join(posix.dirname(path), file);
    const address = addressOf(target, kind);
    if (address === null) return { target, address };
    return { target, address: anchor === undefined ? address : `${address}#${anchor}` };
  };
  return text
    .replaceAll(LINK, (_, /** @type {string} */ label, /** @type {string} */ href) => {
      const { target, address } = reach(href, 'blob');
      if (address !== null) return `[${label}](${address})`;
      return label.replaceAll('`', '') === target ? label : `${label} (\`${target}\`)`;
    })
    .replaceAll(IMAGE, (_, /** @type {string} */ href, /** @type {string} */ rest) => {
      const { address } = reach(href, 'raw');
      if (address !== null) return `<img src="${address}"${rest}>`;
      return / alt="([^"]*)"/.exec(rest)?.[1] ?? '';
    });
}

function prepare() {
  restore();
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const repository = manifest.repository === undefined ? null : repositoryOf(manifest);
  const addressIn = (/** @type {string} */ page) => {
    return (/** @type {string} */ target, /** @type {'blob' | 'raw'} */ kind) => {
      if (!existsSync(target)) throw new Error(`${page} links to ${target}, which does not exist.`);
      if (repository === null) {
        return PAGES.includes(target) ? posix.relative(posix.dirname(page), target) : null;
      }
      const form = statSync(target).isDirectory() ? 'tree' : kind;
      return `${repository}/${form}/v${manifest.version}/${target}`;
    };
  };
  const pages = PAGES.map((page) => {
    const before = readFileSync(page, 'utf8');
    return { page, before, after: withReachableLinks(before, page, addressIn(page)) };
  });
  mkdirSync(dirname(KEPT), { recursive: true });
  writeFileSync(KEPT, JSON.stringify(pages));
  for (const { page, after } of pages) writeFileSync(page, after);
  const goal =
    repository ?? 'no file outside of the package, because package.json has no repository';
  process.stdout.write(`While npm packs, links of ${PAGES.join(', ')} lead to ${goal}.\n`);
}

/**
 * A page that was changed since it was prepared stays as it is: after a pack that was interrupted, it may have been restored by
 * git and edited.
 */
function restore() {
  if (!existsSync(KEPT)) return;
  for (const { page, before, after } of JSON.parse(readFileSync(KEPT, 'utf8'))) {
    if (readFileSync(page, 'utf8') === after) writeFileSync(page, before);
  }
  rmSync(KEPT);
}

if (process.argv[1]?.endsWith('page-links.js')) {
  try {
    if (process.argv[2] === 'restore') restore();
    else prepare();
  } catch (error) {
    process.stderr.write(`Not packed: ${/** @type {Error} */ (error).message}\n`);
    process.exitCode = 1;
  }
}
