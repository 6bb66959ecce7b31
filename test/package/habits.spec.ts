import { readdir, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { validateWorkflow } from '@action-validator/core';
import ts from 'typescript';
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
  readonly steps?: readonly { readonly run?: string }[];
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
    const wanted = /TEST_REQUIRED_ENGINES=(\S+)/.exec(script)?.[1]?.split(',') ?? [];
    const { devDependencies } = JSON.parse(await read('package.json')) as {
      devDependencies: Record<string, string>;
    };
    const providedBy = (engine: string): string => {
      const url = job.env?.[`TEST_${engine.toUpperCase()}_URL`];
      if (job.services?.[engine] && url && new URL(url).hostname === engine) return 'a service';
      if (script.includes(`packages+=(${engine})`)) return '.ci/run';
      if (script.includes(`${engine}-server.sh install`)) return '.ci/run';
      if (engine === 'sqljs' && devDependencies['sql.js']) return 'npm ci';
      return engine === 'better-sqlite3' ? 'npm ci' : 'nobody';
    };
    expect(Object.fromEntries(wanted.map((engine) => [engine, providedBy(engine)]))).toEqual({
      postgres: 'a service',
      mariadb: 'a service',
      mysql: '.ci/run',
      redis: 'a service',
      pgbouncer: '.ci/run',
      sqljs: 'npm ci',
      'better-sqlite3': 'npm ci',
    });
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

describe('The templates', () => {
  it.each(['bug', 'feature'])('ask in a form that GitHub takes: %s', async (name) => {
    const form = parse(await read(`.github/ISSUE_TEMPLATE/${name}.yml`)) as {
      readonly name: string;
      readonly description: string;
      readonly body: readonly {
        readonly type: string;
        readonly id?: string;
        readonly attributes: { readonly label?: string; readonly value?: string };
      }[];
    };
    expect(form.name && form.description).toBeTruthy();
    const ids = form.body.flatMap(({ id }) => id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { type, attributes } of form.body) {
      expect(['markdown', 'textarea']).toContain(type);
      expect(type === 'markdown' ? attributes.value : attributes.label).toBeTruthy();
    }
  });

  it.each(['ISSUE_TEMPLATE/bug.yml', 'ISSUE_TEMPLATE/config.yml', 'pull_request_template.md'])(
    'say where holes are reported: %s',
    async (path) => {
      expect(await read(`.github/${path}`)).toContain('SECURITY.md');
    },
  );
});

describe('What runs for each call', () => {
  /** V8 makes such a function for long, with all that it refers to: see test/unit/database/garbage.spec.ts. */
  function writtenWhereSet(source: string): string[] {
    const found: string[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isBinaryExpression(node) && isSetting(node) && isFunction(node.right)) {
        found.push(node.getText());
      }
      node.forEachChild(visit);
    };
    visit(ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true));
    return found;
  }

  function isSetting({ operatorToken, left }: ts.BinaryExpression): boolean {
    const isAssignment =
      operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
      operatorToken.kind <= ts.SyntaxKind.LastAssignment;
    return (
      isAssignment && (ts.isPropertyAccessExpression(left) || ts.isElementAccessExpression(left))
    );
  }

  function isFunction(node: ts.Expression): boolean {
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) {
      return isFunction(node.expression);
    }
    return ts.isArrowFunction(node) || ts.isFunctionExpression(node);
  }

  it('writes no function where a member is set', async () => {
    const files = await readdir(`${ROOT}lib`, { recursive: true });
    const sources = files.filter((file) => file.endsWith('.ts'));
    expect(sources.length).toBeGreaterThan(50);
    const found = await Promise.all(
      sources.map(async (file) => writtenWhereSet(await read(`lib/${file}`))),
    );

    expect(found.flat()).toEqual([]);
  });

  it.each([
    'a.b = () => c;',
    'this.#b = async (c): Promise<void> => {};',
    'a.b = function () {};',
    'a.b ??= () => c;',
    'a[b] = (c: () => void) => c;',
    'a!.b =\n  <T>(c: T) => c;',
    'f().b = (() => c) as D;',
  ])('would find %s', (naive) => {
    expect(writtenWhereSet(naive)).toHaveLength(1);
    expect(writtenWhereSet(`const b = () => c; a.b = b; const d = { e: () => c };`)).toEqual([]);
  });
});

describe('The packages that lib imports', () => {
  /** None of them computes a MAC, a hash, a cipher or a random value for this package, except the one for passkeys. */
  const PACKAGES = [
    '@aws-sdk/client-sns',
    '@nestjs/bullmq',
    '@nestjs/common',
    '@nestjs/core',
    '@nestjs/event-emitter',
    '@nestjs/terminus',
    '@nestjs/typeorm',
    '@opentelemetry/api',
    // Verifies the signatures of passkeys.
    '@simplewebauthn/server',
    'bullmq',
    'class-validator',
    'libphonenumber-js',
    'nodemailer',
    'rate-limiter-flexible',
    'reflect-metadata',
    'rxjs',
    'typeorm',
  ];

  /** The packages of others that a source imports, types included. */
  function packagesOf(source: string): string[] {
    const found: string[] = [];
    const add = (name: string): void => {
      if (/^(?:\.|node:|nestjs-two-factor)/.test(name)) return;
      found.push(name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
    };
    const visit = (node: ts.Node): void => {
      const from =
        ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
          ? node.moduleSpecifier
          : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
            ? node.arguments[0]
            : undefined;
      if (from && ts.isStringLiteral(from)) add(from.text);
      node.forEachChild(visit);
    };
    visit(ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true));
    return found;
  }

  it('are these, so that all cryptography but that of passkeys is that of node:crypto', async () => {
    const files = await readdir(`${ROOT}lib`, { recursive: true });
    const sources = await Promise.all(
      files.filter((file) => file.endsWith('.ts')).map((file) => read(`lib/${file}`)),
    );
    const found = new Set(sources.flatMap(packagesOf));

    expect([...found].toSorted()).toEqual(PACKAGES);
    expect(sources.filter((source) => source.includes('subtle.'))).toEqual([]);
  });

  it('would be more when a package for hashes were loaded in any form', () => {
    for (const source of [
      "import { hash } from 'bcrypt';",
      "export * from 'bcrypt/promises';",
      "const { hash } = await import('bcrypt');",
    ]) {
      expect(packagesOf(source)).toEqual(['bcrypt']);
    }
  });
});

describe('The screenshots', () => {
  it('are small, and each is in the README', async () => {
    const files = await readdir(`${ROOT}docs/screenshots`);
    const readme = await read('README.md');
    expect(files.length).toBeGreaterThanOrEqual(3);
    for (const file of files) {
      expect(file).toMatch(/\.png$/);
      expect((await stat(`${ROOT}docs/screenshots/${file}`)).size).toBeLessThan(60_000);
      expect(readme).toContain(`docs/screenshots/${file}`);
    }
  });
});

interface LockedPackage {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

describe('The sample application', () => {
  it('needs nothing that is compiled when it is installed, so that it runs in a browser too', async () => {
    const { packages } = JSON.parse(await read('package-lock.json')) as {
      packages: Record<string, LockedPackage>;
    };
    const seen = new Map<string, LockedPackage>();
    const visit = (from: string, at: LockedPackage): void => {
      const peers = Object.keys(at.peerDependencies ?? {}).filter(
        (name) => !at.peerDependenciesMeta?.[name]?.optional,
      );
      for (const name of [...Object.keys(at.dependencies ?? {}), ...peers]) {
        const nested = `${from}/node_modules/${name}`;
        const path = packages[nested] ? nested : `node_modules/${name}`;
        const found = packages[path];
        if (found === undefined || seen.has(path)) continue;
        seen.set(path, found);
        visit(path, found);
      }
    };
    visit('sample-app', packages['sample-app']!);
    expect(seen.size).toBeGreaterThan(50);
    expect([...seen.keys()]).toContain('node_modules/sql.js');
    expect([...seen.keys()].filter((path) => path.endsWith('/better-sqlite3'))).toEqual([]);
    const building = [...seen].filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(building.map(([path]) => path)).toEqual(['node_modules/@scarf/scarf']);
  });

  it('starts on StackBlitz by npm start', async () => {
    const { startCommand, installDependencies } = JSON.parse(await read('.stackblitzrc')) as {
      startCommand: string;
      installDependencies: boolean;
    };
    expect(installDependencies).toBe(false);
    expect(startCommand).toBe('npm ci --ignore-scripts && npm start');
  });
});
