// An application that imports an entry without its optional package must be told what to install, in both module formats: Node itself names
// the package only, and not who needs it.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { buildCopy, type PackageCopy } from '../support/packed-package.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
/** What each entry does when its package is missing: the code of an application, with the entry as `entry`. */
const ENTRIES: readonly (readonly [subpath: string, code: string, packageName: string])[] = [
  ['phone', 'entry.phoneNormalizer()', 'libphonenumber-js'],
  ['event-emitter', 'await entry.TwoFactorEventEmitterModule.forRoot()', '@nestjs/event-emitter'],
  ['opentelemetry', 'await entry.TwoFactorMetricsModule.forRoot()', '@opentelemetry/api'],
  [
    'aws-sns',
    "await entry.awsSnsBackend({ name: 'sms', options: { region: 'eu-central-1' } })",
    '@aws-sdk/client-sns',
  ],
  [
    'backends/email',
    "await entry.emailBackend({ name: 'email', options: { transport: 'smtp://localhost', from: 'a@acme.example' } })",
    'nodemailer',
  ],
];
const FORMATS = [
  ['import', 'mjs', (id: string) => `await import('${id}')`],
  ['require', 'cjs', (id: string) => `require('${id}')`],
] as const;

let built: PackageCopy;
/** An application with the package, and with none of the optional packages. */
let folder: string;

beforeAll(async () => {
  built = await buildCopy();
  folder = await mkdtemp(join(tmpdir(), 'two-factor-optional-'));
  const target = join(folder, 'node_modules/nestjs-two-factor');
  await cp(join(built.folder, 'dist'), join(target, 'dist'), { recursive: true });
  await cp(join(built.folder, 'package.json'), join(target, 'package.json'));
  const manifest = JSON.parse(await readFile(join(target, 'package.json'), 'utf8')) as {
    peerDependencies: Record<string, string>;
    peerDependenciesMeta: Record<string, { optional?: boolean }>;
  };
  const needed = Object.keys(manifest.peerDependencies).filter(
    (name) => manifest.peerDependenciesMeta[name]?.optional !== true,
  );
  for (const name of needed) await install(name);
});
afterAll(async () => {
  await built.remove();
  await rm(folder, { recursive: true });
});

async function install(name: string): Promise<void> {
  const link = join(folder, 'node_modules', name);
  await mkdir(dirname(link), { recursive: true });
  await symlink(join(ROOT, 'node_modules', name), link);
}

/** What the application writes, or the error that ends it. */
async function outcomeOf(ending: string, code: string): Promise<string> {
  const file = join(folder, `application.${ending}`);
  const body = `const application = async () => { ${code} };`;
  const end = 'application().catch((error) => { console.log(error.message); });';
  await writeFile(file, `${body}\n${end}\n`);
  const { stdout } = await run(process.execPath, [file], { cwd: folder });
  return stdout.trim();
}

describe.each(FORMATS)('an application that loads the package by %s', (_, ending, loaded) => {
  it('has the root entry without any optional package', async () => {
    const code = `const { TwoFactorModule } = ${loaded('nestjs-two-factor')}; console.log(typeof TwoFactorModule.forRoot);`;
    expect(await outcomeOf(ending, code)).toBe('function');
  });

  it.each(ENTRIES)('is told what the entry %s needs', async (subpath, code, packageName) => {
    const outcome = await outcomeOf(
      ending,
      `const entry = ${loaded(`nestjs-two-factor/${subpath}`)}; ${code}; console.log('It works.');`,
    );
    expect(outcome).toMatch(
      new RegExp(
        `needs? the package ${packageName}: install it with "npm install ${packageName}"\\.$`,
      ),
    );
  });
});

describe.each(FORMATS)('the phone entry, by %s, with its package', (_, ending, loaded) => {
  it('reads a number', async () => {
    const link = join(folder, 'node_modules/libphonenumber-js');
    await install('libphonenumber-js');
    const outcome = await outcomeOf(
      ending,
      `const { phoneNormalizer } = ${loaded('nestjs-two-factor/phone')}; console.log(phoneNormalizer({ defaultCountry: 'US' })('(213) 373-4253'));`,
    );
    await rm(link);
    expect(outcome).toBe('+12133734253');
  });
});
