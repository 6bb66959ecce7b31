import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { validateWorkflow } from '@action-validator/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): Promise<string> => readFile(`${ROOT}${path}`, 'utf8');

interface Workflow {
  readonly permissions?: Permissions;
  readonly jobs: Readonly<Record<string, Job>>;
}

type Permissions = string | Readonly<Record<string, string>>;

interface Job {
  readonly container?: { readonly image: string };
  readonly services?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly uses?: string;
  readonly needs?: string | readonly string[];
  readonly permissions?: Permissions;
  readonly strategy?: { readonly matrix: { readonly command: readonly string[] } };
  readonly steps?: readonly { readonly run?: string }[];
}

/** The engines without which the tests of a text fail. */
const requiredEngines = (text: string): string[] =>
  /TEST_REQUIRED_ENGINES[=:] ?(\S+)/.exec(text)?.[1]?.split(',') ?? [];

/** Who provides an engine for a job that runs `.ci/servers`. */
async function providerOf(engine: string, { env, services }: Job): Promise<string> {
  const script = await read('.ci/servers');
  const { devDependencies } = JSON.parse(await read('package.json')) as {
    devDependencies: Record<string, string>;
  };
  const url = env?.[`TEST_${engine.toUpperCase()}_URL`];
  if (services?.[engine] && url && new URL(url).hostname === engine) return 'a service';
  if (script.includes(`packages+=(${engine})`)) return '.ci/servers';
  if (script.includes(`${engine}-server.sh install`)) return '.ci/servers';
  if (engine === 'sqljs' && devDependencies['sql.js']) return 'npm ci';
  return engine === 'better-sqlite3' ? 'npm ci' : 'nothing';
}

const PROVIDERS = {
  postgres: 'a service',
  mariadb: 'a service',
  mysql: '.ci/servers',
  'better-sqlite3': 'npm ci',
  sqljs: 'npm ci',
  pgbouncer: '.ci/servers',
  redis: 'a service',
};

async function providersOf(engines: readonly string[], job: Job): Promise<Record<string, string>> {
  const provided = engines.map(async (engine) => [engine, await providerOf(engine, job)] as const);
  return Object.fromEntries(await Promise.all(provided));
}

describe('.github/workflows/ci.yml', () => {
  const FILE = '.github/workflows/ci.yml';
  let text: string;
  let job: Job;
  let script: string;

  beforeAll(async () => {
    text = await read(FILE);
    job = (parse(text) as Workflow).jobs['ci']!;
    script = await read('.ci/run');
  });

  it('is a workflow by the schema of GitHub, and a broken one is none', () => {
    expect(validateWorkflow(text).errors).toEqual([]);
    expect(validateWorkflow(text.replace('runs-on:', 'run-on:')).errors).not.toEqual([]);
  });

  it('does what .ci/run does, and nothing besides', () => {
    const commands = job.steps!.flatMap(({ run }) => run ?? []);
    expect(commands.at(-1)).toBe('bash .ci/run');
    expect(commands.join('\n')).not.toMatch(/\bnpm\b|vitest/);
    expect(text).not.toMatch(/continue-on-error|TEST_REQUIRED_ENGINES/);
  });

  it('runs on the oldest Node of the package', async () => {
    const { engines } = JSON.parse(await read('package.json')) as { engines: { node: string } };
    const oldest = /\d+/.exec(engines.node)?.[0];
    expect(job.container?.image).toMatch(new RegExp(`^node:${oldest}-`));
  });

  it('provides every engine that .ci/run wants', async () => {
    expect(script).toContain('bash .ci/servers');
    expect(await providersOf(requiredEngines(script), job)).toEqual(PROVIDERS);
  });
});

describe('.github/workflows/long.yml', () => {
  let text: string;
  let job: Job;

  beforeAll(async () => {
    text = await read('.github/workflows/long.yml');
    job = (parse(text) as Workflow).jobs['long']!;
  });

  it('wants the engines of .ci/run in each round, and provides them', async () => {
    const wanted = requiredEngines(text);

    expect(wanted).toEqual(requiredEngines(await read('.ci/run')));
    expect(job.steps!.flatMap(({ run }) => run ?? [])).toContain('bash .ci/servers');
    expect(await providersOf(wanted, job)).toEqual(PROVIDERS);
  });

  it('runs commands of package.json', async () => {
    const { scripts } = JSON.parse(await read('package.json')) as { scripts: object };
    const commands = job.strategy!.matrix.command;
    const names = commands.map((command) => /npm run (\S+)/.exec(command)?.[1]);

    expect(commands.length).toBeGreaterThan(10);
    expect(names.filter((name) => name === undefined || !(name in scripts))).toEqual([]);
  });
});

describe('test/README.md', () => {
  /** Whether a text runs this command, and not a longer one of the same beginning. */
  const runs = (text: string, command: string): boolean =>
    new RegExp(`${command}(?![\\w:])`).test(text);

  it('says of each command who runs it', async () => {
    const [page, script, long] = await Promise.all(
      ['test/README.md', '.ci/run', '.github/workflows/long.yml'].map(read),
    );
    const rows = Array.from(page!.matchAll(/^\| `(npm [^`]+)` +\| ([^|]+) \|/gm), (row) => ({
      command: row[1]!,
      runBy: row[2]!.trim(),
    }));
    const lanes = script!
      .split('\n')
      .filter((line) => /^lane(_in_copy)? /.test(line))
      .join('\n');
    // The round with the coverage is that of `npm test`.
    const nightly = `${long} npm test`;
    const expected = rows.map(({ command }) => {
      const runners = [
        ...(runs(lanes, command) ? ['`.ci/run`'] : []),
        ...(runs(nightly, command) ? ['nightly'] : []),
      ];
      return { command, runBy: runners.join(', ') || 'by hand' };
    });

    expect(rows.length).toBeGreaterThan(15);
    expect(rows).toEqual(expected);
  });
});

describe('The workflows', () => {
  /** An action or an image of others by the digest of what it runs, and the version that this is, for people. */
  const PINNED = /^[\w.-]+\/[\w./-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/;
  const LOCAL = /^\.\/\.github\/workflows\/[\w-]+\.yml$/;

  /** What a workflow runs of others by a name that can be moved to something else. */
  function unpinned(text: string): string[] {
    return Array.from(text.matchAll(/^\s*(?:- *)?["']?uses["']? *: *(.+)$/gm), ([, what]) =>
      what!.trim(),
    ).filter((what) => !PINNED.test(what) && !LOCAL.test(what));
  }

  /** Rights to write, and no rights named at all, which are those of the repository's settings. */
  function broadRights(workflow: Workflow): string[] {
    const rights = [workflow, ...Object.values(workflow.jobs)].map(
      ({ permissions }) => permissions,
    );
    const written = rights.flatMap((each) =>
      typeof each === 'string' ? each : Object.entries(each ?? {}).map((pair) => pair.join(': ')),
    );
    const broad = written.filter((right) => !/: (?:read|none)$/.test(right));
    return workflow.permissions === undefined ? [...broad, 'the defaults'] : broad;
  }

  let files: string[];
  let texts: Map<string, string>;

  beforeAll(async () => {
    files = await readdir(`${ROOT}.github/workflows`);
    const textOf = async (file: string): Promise<[string, string]> => [
      file,
      await read(`.github/workflows/${file}`),
    ];
    texts = new Map(await Promise.all(files.map(textOf)));
  });

  it('are workflows by the schema of GitHub', () => {
    expect(files.toSorted()).toEqual(['ci.yml', 'long.yml', 'release.yml']);
    for (const [file, text] of texts) expect(validateWorkflow(text).errors, file).toEqual([]);
  });

  it('pin every action by its commit', () => {
    for (const [file, text] of texts) {
      expect(text.match(/\buses\b/g)?.length, file).toBeGreaterThan(0);
      expect(unpinned(text), file).toEqual([]);
    }
    // One version of an action, not one for each workflow.
    const used = [...texts.values()].flatMap((text) => text.match(/[\w-]+\/[\w-]+@.*$/gm) ?? []);
    const names = used.map((action) => action.split('@')[0]);
    expect(new Set(used).size).toBe(new Set(names).size);
  });

  it.each([
    'actions/checkout@v4',
    'actions/checkout@main',
    'actions/checkout@3d3c42e',
    `actions/checkout@${'3d3c42e5aa'.repeat(4)}`,
    `actions/checkout@${'3d3c42e5aa'.repeat(4)} # main`,
    "'actions/checkout@v4' # v4.0.0",
    'docker://alpine:3',
    'someone/else/.github/workflows/ci.yml@main',
  ])('would be refused for %s', (action) => {
    for (const written of [`      - uses: ${action}`, `        uses: ${action}`]) {
      expect(unpinned(`    steps:\n${written}\n`)).toEqual([action]);
    }
  });

  it('may read the repository, and only the release may sign', () => {
    const rightsOf = (file: string): string[] => broadRights(parse(texts.get(file)!) as Workflow);
    expect(rightsOf('ci.yml')).toEqual([]);
    expect(rightsOf('release.yml')).toEqual(['id-token: write']);
    const naive = { jobs: { ci: { steps: [], permissions: 'write-all' } } } as unknown as Workflow;
    expect(broadRights(naive)).toEqual(['write-all', 'the defaults']);
  });

  it('keep no credentials of the checkout, and put no text of others into a shell', () => {
    for (const [file, text] of texts) {
      const checkouts = text.match(/uses: actions\/checkout@/g)?.length ?? 0;
      expect(text.match(/persist-credentials: false/g)?.length ?? 0, file).toBe(checkouts);
      const { jobs } = parse(text) as Workflow;
      const commands = Object.values(jobs).flatMap(({ steps = [] }) => steps.map(({ run }) => run));
      expect(
        commands.filter((run) => run?.includes('${{')),
        file,
      ).toEqual([]);
    }
  });

  it('publish with provenance, without a token, when CI has passed and the tag is the version', () => {
    const { jobs } = parse(texts.get('release.yml')!) as Workflow;
    const { publish, ci } = jobs;
    expect(ci?.uses).toBe('./.github/workflows/ci.yml');
    expect([publish?.needs].flat()).toContain('ci');
    const commands = publish!.steps!.flatMap(({ run }) => run ?? []);
    expect(commands.at(-1)).toBe('npm publish --provenance --access public');
    expect(commands.join('\n')).toContain('test "$GITHUB_REF_NAME" = "v$(npm pkg get version');
    expect(texts.get('release.yml')).not.toMatch(/secrets\.|NODE_AUTH_TOKEN/);
  });
});
