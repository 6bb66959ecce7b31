// The message of a release's tag is compared with the entry of the changelog, for tags that git itself has made.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const run = promisify(execFile);
const ROOT = new URL('../../', import.meta.url);
const SCRIPT = fileURLToPath(new URL('build/changelog-entry.js', ROOT));
const ENTRY =
  '## 0.2.0 (2026-12-01)\n\n### Added\n\n- A first thing,\n  in two lines.\n\n- A second one.\n';
const changelogWith = (entry: string): string =>
  `# Changelog\n\nAll notable changes.\n\n${entry}\n## 0.1.0 (2026-11-01)\n\n- The beginning.\n`;

let folder: string;

const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);

async function command(name: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await run(name, args, { cwd: folder }).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );
  return stdout + stderr;
}

const entry = (...args: string[]): Promise<string> => command(process.execPath, SCRIPT, ...args);

/** The message of a tag that git has made of the printed entry. */
async function messageOfTag(...flags: string[]): Promise<string> {
  await write('entry.md', await entry());
  await command('git', 'tag', '-a', 'v0.2.0', ...flags, '-F', 'entry.md');
  return command('git', 'tag', '--list', '--format=%(contents)', 'v0.2.0');
}

async function compare(message: string): Promise<string> {
  await write('message', message);
  return entry('--compare', 'message');
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'changelog-entry-'));
  await write('package.json', JSON.stringify({ version: '0.2.0' }));
  await write('CHANGELOG.md', changelogWith(ENTRY));
  await command('git', 'init', '--quiet');
  for (const setting of ['user.name=Ann', 'user.email=ann@example.com', 'tag.gpgSign=false']) {
    await command('git', 'config', ...setting.split('='));
  }
  await command('git', 'commit', '--quiet', '--no-gpg-sign', '--allow-empty', '-m', 'Begin');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('The entry of the changelog', () => {
  it('is printed with its heading when it has a date', async () => {
    expect(await entry()).toBe(ENTRY);
  });

  it('is refused when it has no date', async () => {
    await write('CHANGELOG.md', changelogWith(ENTRY.replace('(2026-12-01)', '(unreleased)')));

    expect(await entry()).toMatch(/^CHANGELOG\.md has no dated entry of 0\.2\.0/);
  });

  it('is the last one of the file when no older one follows', async () => {
    await write('CHANGELOG.md', `# Changelog\n\n${ENTRY}`);

    expect(await entry()).toBe(ENTRY);
  });
});

describe('The message of a tag', () => {
  it('passes when git made it of the printed entry', async () => {
    const message = await messageOfTag('--cleanup=whitespace');

    expect(message).toContain('### Added');
    expect(await compare(message)).toBe('');
  });

  it.each(['PGP SIGNATURE', 'SSH SIGNATURE', 'SIGNED MESSAGE'])(
    'passes when a block "%s" follows it',
    async (block) => {
      expect(
        await compare(`${ENTRY}-----BEGIN ${block}-----\n\niQEz\n-----END ${block}-----\n`),
      ).toBe('');
    },
  );

  it('is refused when git dropped its headings, as it does by default', async () => {
    const answer = await compare(await messageOfTag());

    expect(answer).toMatch(/line 1 is "- A first thing," instead of "## 0\.2\.0 \(2026-12-01\)"/);
    expect(answer).toContain('--cleanup=whitespace');
  });

  it('is refused when the changelog was edited after the tag', async () => {
    const message = await messageOfTag('--cleanup=whitespace');
    await write('CHANGELOG.md', changelogWith(`${ENTRY}- A third one.\n`));

    expect(await compare(message)).toMatch(/line 9 is nothing instead of "- A third one\."/);
  });

  it('is refused when it says more than the entry', async () => {
    expect(await compare(`${ENTRY}\nAnd more.\n`)).toMatch(/line 9 is "" instead of nothing/);
  });

  it('is compared by the workflow of a release before that publishes', async () => {
    const { jobs } = parse(
      await readFile(new URL('.github/workflows/release.yml', ROOT), 'utf8'),
    ) as {
      readonly jobs: { readonly publish: { readonly steps: readonly { readonly run?: string }[] } };
    };
    const commands = jobs.publish.steps.flatMap(({ run: lines }) => lines?.split('\n') ?? []);
    const compares = commands.indexOf(
      'node build/changelog-entry.js --compare "$RUNNER_TEMP/message"',
    );

    expect(compares).toBeGreaterThan(-1);
    expect(commands[compares - 1]).toMatch(/--jq \.message >"\$RUNNER_TEMP\/message"$/);
    expect(compares).toBeLessThan(commands.findIndex((line) => line.startsWith('npm publish')));
  });
});
