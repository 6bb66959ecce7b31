import { readdir, readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): Promise<string> => readFile(`${ROOT}${path}`, 'utf8');

describe('The templates', () => {
  it.each(['bug', 'feature'])('are valid issue forms of GitHub: %s', async (name) => {
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

  it('assigns no function expression directly to a member', async () => {
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
  ])('is found to assign one in %s', (naive) => {
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

  it('are only the listed ones, so that node:crypto does all cryptography but that of passkeys', async () => {
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
