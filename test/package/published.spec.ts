// What others' tools say of the package, and how many copies of it they make. Each check also has a package that must fail it.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';

import { buildCopy, type PackageCopy } from '../support/packed-package.js';

const run = promisify(execFile);
let built: PackageCopy;
let undo: (() => Promise<void>)[] = [];

beforeAll(async () => {
  built = await buildCopy();
});
afterAll(() => built.remove());
afterEach(async () => {
  for (const step of undo) await step();
  undo = [];
});

/** Plants a fault until the test is over. */
async function change(name: string, edit: (text: string) => string): Promise<void> {
  const file = join(built.folder, name);
  const text = await readFile(file, 'utf8');
  const changed = edit(text);
  if (changed === text) throw new Error(`Nothing was changed in ${name}.`);
  undo.push(() => writeFile(file, text));
  await writeFile(file, changed);
}

async function complaintsOfPublint(): Promise<readonly string[]> {
  const { tarball } = await built.pack();
  const { buffer } = await readFile(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: buffer },
    strict: true,
  });
  // In CI it writes in colours.
  return messages.map((message) =>
    stripVTControlCharacters(formatMessage(message, pkg) ?? message.code),
  );
}

async function complaintsOfAttw(): Promise<readonly string[]> {
  const { tarball } = await built.pack();
  const result = await checkPackage(createPackageFromTarballData(await readFile(tarball)));
  if (!result.types) return ['NoTypes'];
  // The entries for browsers are ES modules alone. Node since 20.19 loads them by `require` as well.
  return result.problems
    .filter(
      (problem) => problem.kind !== 'CJSResolvesToESM' || !/^\.\/client\b/.test(problem.entrypoint),
    )
    .map(({ kind }) => kind);
}

describe('publint', () => {
  it('has nothing to say', async () => {
    expect(await complaintsOfPublint()).toEqual([]);
  });

  it('finds that a file is missing', async () => {
    await change('package.json', (text) =>
      text.replace('"default": "./dist/index.cjs"', '"default": "./dist/indx.cjs"'),
    );

    expect((await complaintsOfPublint()).join()).toContain('./dist/indx.cjs but the file does not');
  });
});

describe('Are the types wrong?', () => {
  it('has nothing to say', async () => {
    expect(await complaintsOfAttw()).toEqual([]);
  });

  it('finds that a CommonJS file has the types of an ES module', async () => {
    await change('package.json', (text) =>
      text.replace('"types": "./dist/index.d.cts"', '"types": "./dist/index.d.ts"'),
    );

    expect(await complaintsOfAttw()).toEqual(['FalseESM']);
  });
});

/** What a CommonJS application hears that checks its libraries too. */
async function complaintsOfTypeScript(): Promise<readonly string[]> {
  const file = join(built.folder, 'application.cts');
  await writeFile(
    file,
    `import { ConfirmationState, TwoFactorError } from 'nestjs-two-factor';
import { phoneNormalizer } from 'nestjs-two-factor/phone';
export const error: typeof TwoFactorError = TwoFactorError;
export const id = (state: ConfirmationState): string => state.id;
export const wrong: number = phoneNormalizer();\n`,
  );
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
  });
  // The libraries of others are theirs to check.
  return program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(built.folder))
    .flatMap((source) => program.getSemanticDiagnostics(source))
    .map(({ code, file: place }) => `TS${code} ${place?.fileName.replace(built.folder, '')}`);
}

describe('TypeScript', () => {
  it('knows the types of a CommonJS application, and has nothing to say of ours', async () => {
    // A function is no number.
    expect(await complaintsOfTypeScript()).toEqual(['TS2322 /application.cts']);
  });

  it('reports an ES module that cannot be required when a declaration lacks its @ts-ignore', async () => {
    await change('dist/adapters/phone/index.d.cts', (text) => text.replace('@ts-ignore', ''));

    expect(await complaintsOfTypeScript()).toContain('TS1479 /dist/adapters/phone/index.d.cts');
  });
});

/** Loads the package by its name in both ways, and the files of Jest by their paths, into one process. */
async function differencesOfCopies(): Promise<unknown> {
  const script = `
    import { createRequire } from 'node:module';
    import * as imported from 'nestjs-two-factor';
    import { rateLimiterFlexibleStore } from 'nestjs-two-factor/rate-limiter-flexible';
    const require = createRequire(process.cwd() + '/x.js');
    const required = require('nestjs-two-factor');
    const forJest = require('./dist/index.cjs');
    const { rateLimiterFlexibleStore: storeForJest } = require('./dist/adapters/rate-limiter-flexible/index.cjs');
    const differing = (other) => Object.keys(imported).filter((name) => imported[name] !== other[name]);
    const throws = (store, Expected) => { try { store({}); } catch (error) { return error instanceof Expected; } };
    console.log(JSON.stringify({
      names: Object.keys(imported).length > 30,
      require: differing(required),
      jest: differing(forJest),
      errors: [rateLimiterFlexibleStore, storeForJest].map((store) => throws(store, imported.TwoFactorConfigurationError)),
    }));`;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script], {
    cwd: built.folder,
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('One process', () => {
  it('has one copy of the package, however it is loaded', async () => {
    expect(await differencesOfCopies()).toEqual({
      names: true,
      require: [],
      jest: [],
      errors: [true, true],
    });
  });

  it('would have two copies of the package if each way of loading had a core of its own', async () => {
    const file = join(built.folder, 'dist/packages-2.cjs');
    await copyFile(join(built.folder, 'dist/core.cjs'), join(built.folder, 'dist/core-2.cjs'));
    await copyFile(join(built.folder, 'dist/packages.cjs'), file);
    await change('dist/packages-2.cjs', (text) => text.replace('./core.cjs', './core-2.cjs'));
    await change('dist/core-2.cjs', (text) => text.replace('./packages.cjs', './packages-2.cjs'));
    await change('dist/shared.cjs', (text) => text.replace('./packages.cjs', './packages-2.cjs'));

    const { jest, errors } = (await differencesOfCopies()) as { jest: string[]; errors: boolean[] };
    expect(jest).toContain('TwoFactorError');
    // Two classes, and each recognises the errors of the other.
    expect(errors).toEqual([true, true]);
  });

  it('refuses to boot with a guard of a second copy, and has the errors of both recognised', async () => {
    const { tarball } = await built.pack();
    for (const part of ['application', 'library']) {
      const target = join(built.folder, part, 'node_modules/nestjs-two-factor');
      await mkdir(target, { recursive: true });
      await run('tar', ['-xzf', tarball, '-C', target, '--strip-components', '1']);
      // Without a name of its own it would belong to the package around it, and resolve the package to that.
      await writeFile(join(built.folder, part, 'package.json'), JSON.stringify({ name: part }));
    }
    await writeFile(
      join(built.folder, 'library/index.cjs'),
      `const { RequireConfirmation, TwoFactorConflictError } = require('nestjs-two-factor');
      const { Controller, Post } = require('@nestjs/common');
      class TransferController { transfer() {} }
      Controller('transfers')(TransferController);
      const descriptor = Object.getOwnPropertyDescriptor(TransferController.prototype, 'transfer');
      for (const each of [RequireConfirmation('transfer'), Post()]) each(TransferController.prototype, 'transfer', descriptor);
      module.exports = { TransferController, error: new TwoFactorConflictError('lost') };`,
    );
    await writeFile(
      join(built.folder, 'application/index.mjs'),
      `import 'reflect-metadata';
      import library from '../library/index.cjs';
      import { Module } from '@nestjs/common';
      import { NestFactory } from '@nestjs/core';
      import { TypeOrmModule } from '@nestjs/typeorm';
      import * as own from 'nestjs-two-factor';
      const boot = async (controllers) => {
        class AppModule {}
        Module({
          imports: [
            TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true, retryAttempts: 0 }),
            own.TwoFactorModule.forRoot({ purposes: { transfer: { subject: () => '7', recipient: () => 'ann@example.com' } } }),
          ],
          controllers,
        })(AppModule);
        const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
        await app.init();
        await app.close();
        return 'booted';
      };
      const said = (controllers) => boot(controllers).catch((error) => [error instanceof own.TwoFactorConfigurationError, error.message]);
      const { error } = library;
      console.log(JSON.stringify({
        isTwice: error.constructor !== own.TwoFactorConflictError,
        isConflict: error instanceof own.TwoFactorConflictError,
        isInput: error instanceof own.TwoFactorInputError,
        unmixed: await said([]),
        mixed: await said([library.TransferController]),
      }));`,
    );
    const { stdout } = await run(process.execPath, ['application/index.mjs'], {
      cwd: built.folder,
      env: { ...process.env, NODE_ENV: 'test' },
    });

    expect(JSON.parse(stdout)).toEqual({
      isTwice: true,
      isConflict: true,
      isInput: false,
      unmixed: 'booted',
      mixed: [
        true,
        expect.stringContaining('the ConfirmerService of another copy of nestjs-two-factor'),
      ],
    });
  });
});
