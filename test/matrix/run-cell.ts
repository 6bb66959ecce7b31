import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { runnerOf, writeApplication } from './application.js';
import { usesServers, type Cell } from './cells.js';
import { command } from './command.js';
import type { NodeBinary } from './node-binaries.js';
import { withDatabase, type Server } from './servers.js';

/** What one application came to. */
export interface Row {
  readonly cell: Cell;
  readonly node: string;
  /** What was installed, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Where the application ran, by the names of TypeORM's drivers. */
  readonly databases: readonly string[];
  readonly seconds: number;
  /** The step that failed and what it said; nothing when all is well. */
  readonly fault: string | undefined;
}

export interface Stage {
  /** Where applications are made. */
  readonly folder: string;
  /** The files of the scenario. */
  readonly sources: string;
  readonly tarball: string;
  /** The servers of this machine. */
  readonly servers: readonly Server[];
}

const SHOWN = ['@nestjs/core', '@nestjs/typeorm', 'typeorm', 'typescript'];
const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'];

/** Installs the tarball into a fresh application, compiles it, runs it, and removes it. */
export async function runCell(cell: Cell, node: NodeBinary, stage: Stage): Promise<Row> {
  const start = performance.now();
  const folder = await mkdtemp(join(stage.folder, 'application-'));
  const versions: Record<string, string> = {};
  const servers = usesServers(cell) ? stage.servers : [];
  const steps: [string, () => Promise<unknown>][] = [
    ['write', () => writeApplication(cell, { ...stage, folder })],
    ['npm install', () => command('npm', INSTALL, { cwd: folder, seconds: 300 })],
    ['versions', async () => Object.assign(versions, await versionsIn(folder))],
    ['tsc', () => run(['node_modules/typescript/bin/tsc'])],
    ['run', () => run(runnerOf(cell))],
    ...servers.map((server): [string, () => Promise<unknown>] => [
      `run on ${server.name}`,
      () => withDatabase(server, (url) => run(runnerOf(cell), { DATABASE: url })),
    ]),
  ];
  const inMemory = { DATABASE: undefined };
  const run = (args: readonly string[], env: NodeJS.ProcessEnv = inMemory): Promise<string> =>
    command(node.path, args, { cwd: folder, seconds: 180, env });
  let fault: string | undefined;
  try {
    for (const [name, step] of steps) {
      try {
        await step();
      } catch (error) {
        fault = `${name}: ${error instanceof Error ? error.message : String(error)}`;
        break;
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  const seconds = (performance.now() - start) / 1_000;
  const databases = ['sqljs', ...servers.map(({ name }) => name)];
  return { cell, node: node.version, versions, databases, seconds, fault };
}

async function versionsIn(folder: string): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const name of SHOWN) {
    const file = join(folder, 'node_modules', name, 'package.json');
    versions[name] = (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
  }
  return versions;
}
