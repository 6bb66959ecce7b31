// A copy of the repository in which a release is tried: package.json, the changelog and the pages of the repository stay as they are.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The Markdown in the package. */
export const PAGES = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'docs/security.md'];
export const REPOSITORY = 'https://git.example/acme/nestjs-two-factor';

/** What the scripts of a release read, and what the pages of the package link to. */
const PARTS = [
  ...PAGES,
  'CONTRIBUTING.md',
  'LICENSE',
  'package.json',
  'build',
  'docs',
  'sample-app',
];
/** What the build reads in addition. */
const SOURCES = ['lib', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.browser.json'];

const run = promisify(execFile);

export interface Manifest {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
}

export const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** What a command wrote, and whether it succeeded. */
export interface Output {
  readonly isDone: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Within the repository, so that the commands of the copy find node_modules in a folder above them. */
export async function releaseCopy(withSources = false): Promise<ReleaseCopy> {
  await mkdir(join(ROOT, '.tmp'), { recursive: true });
  const folder = await mkdtemp(join(ROOT, '.tmp/release-'));
  for (const part of [...PARTS, ...(withSources ? SOURCES : [])]) {
    await cp(join(ROOT, part), join(folder, part), {
      recursive: true,
      filter: (path) => !/node_modules|\.vitepress/.test(path),
    });
  }
  return new ReleaseCopy(folder);
}

export class ReleaseCopy {
  constructor(readonly folder: string) {}

  read(path: string): Promise<string> {
    return readFile(join(this.folder, path), 'utf8');
  }

  write(path: string, text: string): Promise<void> {
    return writeFile(join(this.folder, path), text);
  }

  /** Writes package.json with other members beside those of the repository. */
  setManifest(members: object): Promise<void> {
    return this.write('package.json', JSON.stringify({ ...manifest, ...members }));
  }

  async dateTheEntry(): Promise<void> {
    const text = await this.read('CHANGELOG.md');
    const heading = new RegExp(`^## ${manifest.version.replaceAll('.', '\\.')} .*$`, 'm');
    await this.write('CHANGELOG.md', text.replace(heading, `## ${manifest.version} (2026-12-01)`));
  }

  async run(command: string, ...args: string[]): Promise<Output> {
    const options = { cwd: this.folder, maxBuffer: 1e8 };
    try {
      return { isDone: true, ...(await run(command, args, options)) };
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
      return { isDone: false, stdout, stderr };
    }
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** A registry without packages, which records what npm asks of it. */
export interface EmptyRegistry {
  readonly url: string;
  readonly requests: readonly string[];
  close(): void;
}

export async function emptyRegistry(): Promise<EmptyRegistry> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** What a page links to and shows. */
export const targetsOf = (text: string): string[] =>
  [...text.matchAll(/(?:\]\(| src=")([^)"\s]+)/g)].map(([, target]) => target!);
