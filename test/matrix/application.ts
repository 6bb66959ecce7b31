import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { usesServers, type Cell } from './cells.js';

const NEST = {
  '11': {
    '@nestjs/common': '11.2.10',
    '@nestjs/core': '11.2.10',
    '@nestjs/platform-express': '11.2.10',
    '@nestjs/typeorm': '11.0.3',
  },
  '12': {
    '@nestjs/common': '12.5.1',
    '@nestjs/core': '12.5.1',
    '@nestjs/platform-express': '12.5.1',
    '@nestjs/typeorm': '12.0.2',
  },
};
const OTHERS = {
  'class-transformer': '0.5.1',
  'class-validator': '0.15.1',
  'libphonenumber-js': '1.13.16',
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
  'sql.js': '1.16.0',
};
const DRIVERS = { mysql2: '3.24.6', pg: '8.23.1' };
const PASSKEYS = { '@simplewebauthn/server': '14.0.3' };
const JEST = { jest: '30.5.2' };
const VITEST = { vitest: '4.1.11' };

/** What runs a compiled application, from its folder, by the cell's Node. */
export function runnerOf({ kind }: Cell): readonly string[] {
  if (kind === 'Nest 11 Jest') return ['node_modules/jest/bin/jest.js', '--ci'];
  if (kind === 'Nest 11 Vitest') return ['node_modules/vitest/vitest.mjs', 'run'];
  return ['dist/main.js'];
}

/** Writes a fresh application that depends on the tarball. */
export async function writeApplication(
  cell: Cell,
  { folder, sources, tarball }: { folder: string; sources: string; tarball: string },
): Promise<void> {
  const files: [string, string | object][] = [
    ['package.json', manifestOf(cell, tarball)],
    ['tsconfig.json', { compilerOptions: compilerOptionsOf(cell), include: ['src'] }],
    [
      'src/passkey-library.ts',
      `export const HAS_PASSKEY_LIBRARY: boolean = ${hasPasskeyLibrary(cell)};`,
    ],
    ...runnersOf(cell),
  ];
  await mkdir(join(folder, 'src'), { recursive: true });
  await cp(sources, join(folder, 'src'), { recursive: true });
  for (const [name, content] of files) {
    const text = typeof content === 'string' ? content : JSON.stringify(content, null, 2);
    await writeFile(join(folder, name), `${text}\n`);
  }
}

function manifestOf(cell: Cell, tarball: string): object {
  const { kind, typeorm } = cell;
  return {
    name: 'application',
    private: true,
    type: isModule(cell) ? 'module' : 'commonjs',
    dependencies: {
      ...(kind.startsWith('Nest 11') ? NEST['11'] : NEST['12']),
      ...OTHERS,
      ...(hasPasskeyLibrary(cell) ? PASSKEYS : {}),
      ...(usesServers(cell) ? DRIVERS : {}),
      typeorm,
      'nestjs-two-factor': `file:${tarball}`,
    },
    devDependencies: {
      '@types/node': '20.19.43',
      typescript: typescriptOf(cell),
      ...(kind === 'Nest 11 Jest' ? JEST : {}),
      ...(kind === 'Nest 11 Vitest' ? VITEST : {}),
    },
  };
}

/** As `nest new` writes them, but for what the cell is about. */
function compilerOptionsOf(cell: Cell): object {
  const module = isModule(cell) ? 'esnext' : 'commonjs';
  return {
    module: cell.resolution === 'bundler' ? module : cell.resolution,
    moduleResolution: cell.resolution,
    target: 'es2023',
    types: ['node'],
    emitDecoratorMetadata: true,
    experimentalDecorators: true,
    strict: true,
    skipLibCheck: true,
    rootDir: 'src',
    outDir: 'dist',
  };
}

/** The files that start the scenario. */
function runnersOf({ kind }: Cell): [string, string | object][] {
  const scenario = "import { scenario } from './scenario.js';\n";
  if (kind === 'Nest 11 Jest') {
    return [
      ['jest.config.json', { testMatch: ['<rootDir>/dist/*.spec.js'], testTimeout: 60_000 }],
      [
        'src/scenario.spec.ts',
        `import { expect, test } from '@jest/globals';\n${scenario}
test('takes the CommonJS face', () => {
  expect(require.resolve('nestjs-two-factor')).toMatch(/index\\.cjs$/);
});
test('runs', () => scenario());`,
      ],
    ];
  }
  const oneCopy = "import { oneCopy } from './one-copy.js';\n";
  if (kind === 'Nest 11 Vitest') {
    return [
      [
        'vitest.config.mjs',
        "export default { test: { include: ['dist/*.spec.js'], exclude: [], testTimeout: 60_000 } };",
      ],
      [
        'src/scenario.spec.ts',
        `import { test } from 'vitest';\n${oneCopy}${scenario}
test('is one copy', () => oneCopy());
test('runs', () => scenario());`,
      ],
    ];
  }
  return [
    [
      'src/main.ts',
      `${oneCopy}${scenario}
void oneCopy()
  .then(scenario)
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });`,
    ],
  ];
}

function isModule({ kind }: Cell): boolean {
  return kind === 'Nest 12 ESM' || kind === 'Nest 11 Vitest';
}

/** CommonJS with the oldest TypeORM, and ES modules with the newest. Passkeys fail the boot of all others. */
export function hasPasskeyLibrary({ kind, typeorm }: Cell): boolean {
  return kind === 'Nest 11 Jest'
    ? typeorm === '0.3.31'
    : kind === 'Nest 12 ESM' && typeorm === '1.1.1';
}

/** TypeScript 5 knows no `commonjs` with `bundler`. */
function typescriptOf(cell: Cell): string {
  const isOlder = cell.kind.startsWith('Nest 11');
  return isOlder && (isModule(cell) || cell.resolution !== 'bundler') ? '5.9.3' : '6.0.3';
}
