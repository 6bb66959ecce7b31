import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PARTS = [
  'lib',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.browser.json',
  'build',
  'sample-app',
];

/** What is made from the rest stays behind. */
const isSource = (path: string): boolean => !/[\\/](?:dist|data|node_modules)$/.test(path);

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** One process of the sample application, with a data folder that outlives it. */
export class Sample {
  constructor(
    private readonly child: Child,
    readonly url: string,
  ) {}

  /** As Ctrl+C. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** As a power cut: nothing gets to say good-bye. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = once(this.child, 'close');
    process.kill(-this.child.pid!, signal);
    await closed;
  }
}

/** The repository's sources once more, to build and start in: the `dist` of everybody else stays as it is. */
export class SampleCopy {
  /** What its processes have printed. */
  printed = '';
  readonly #running: Sample[] = [];
  readonly #folders: string[] = [];

  private constructor(readonly folder: string) {}

  static async make(): Promise<SampleCopy> {
    // Inside of the repository, where its node_modules are found.
    await mkdir(join(ROOT, '.tmp'), { recursive: true });
    const folder = await mkdtemp(join(ROOT, '.tmp/sample-app-'));
    for (const part of PARTS) {
      await cp(join(ROOT, part), join(folder, part), { recursive: true, filter: isSource });
    }
    await mkdir(join(folder, 'node_modules'));
    await symlink('..', join(folder, 'node_modules/nestjs-two-factor'), 'junction');
    return new SampleCopy(folder);
  }

  /** `npm start` builds and starts; `node` starts what is built. */
  async start(how: 'npm' | 'node', environment: Readonly<Record<string, string>>): Promise<Sample> {
    const child = this.launch(how, environment);
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) {
      const url = /Open (http:\S+)\//.exec(line)?.[1];
      if (url === undefined) continue;
      const sample = new Sample(child, url);
      this.#running.push(sample);
      return sample;
    }
    throw new Error('The sample application ended before it listened.');
  }

  launch(how: 'npm' | 'node', environment: Readonly<Record<string, string>>): Child {
    const { NODE_ENV: _, ...inherited } = process.env;
    const [command, args] =
      how === 'npm'
        ? ['npm', ['start', '--no-update-notifier']]
        : [process.execPath, ['--env-file=development.env', 'dist/main.js']];
    const child = spawn(command, args, {
      cwd: how === 'npm' ? this.folder : join(this.folder, 'sample-app'),
      env: { ...inherited, NO_COLOR: '1', PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, so that all of it is stopped.
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.printed += text;
      });
    }
    return child;
  }

  /** A folder for a database, until the end. */
  async dataFolder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'sample-app-'));
    this.#folders.push(folder);
    return folder;
  }

  /** Stops what runs and leaves nothing behind. */
  async remove(): Promise<void> {
    await Promise.all(this.#running.map((sample) => sample.stop()));
    for (const folder of [this.folder, ...this.#folders]) {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
