// The application that the guides grow, built in a fresh folder by what the guides say and nothing else. Four things differ from a
// reader's machine: `npm install` and `npx @nestjs/cli` take what is installed for this repository instead of the registry, with
// this package as `npm pack` packs it; Vitest runs without the plugin for path aliases, which is not installed here and which
// the guides do not use; the port is a free one; and the id and the code of an example are those of the run.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import ts from 'typescript';

import { freePort } from './free-port.js';
import { answers, type Command, type Step } from './guide-series.js';
import { buildCopy } from './packed-package.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
/** What a reader's shell has not. */
const NOT_OF_A_READER = /^(npm_|NODE_ENV$|NODE_OPTIONS$|VITEST|TEST|TWO_FACTOR_|INIT_CWD$|PORT$)/i;

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, 'localhost');
    const end = (result: boolean) => () => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });
}

export class GuideApplication {
  /** What the server has written since its start. */
  log = '';
  #cwd: string;
  #server: ChildProcess | undefined;
  #program: ts.SemanticDiagnosticsBuilderProgram | undefined;
  readonly #libraries = new Map<string, ts.SourceFile | undefined>();
  /** The variables that the commands have set. */
  readonly #variables: Record<string, string> = {};
  #more: Readonly<Record<string, string>> = {};
  #lastId = '';
  /** How many messages to a number were read. */
  readonly #read = new Map<string, number>();

  private constructor(
    private readonly folder: string,
    private readonly tarball: string,
    private readonly removeCopy: () => Promise<void>,
    readonly port: number,
  ) {
    this.#cwd = folder;
  }

  static async begin(): Promise<GuideApplication> {
    const copy = await buildCopy();
    const { tarball } = await copy.pack();
    // Inside of the repository, where its node_modules are found.
    const folder = await mkdtemp(join(ROOT, '.tmp/guides-'));
    return new GuideApplication(folder, tarball, () => copy.remove(), await freePort());
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  /** Does one step of a guide, and compiles. @returns what the compiler says. */
  async follow(step: Step): Promise<string[]> {
    for (const action of step.actions) {
      if (action.kind === 'file') await this.#write(action.path, action.text);
      else for (const command of action.commands) await this.#run(command);
    }
    return this.#compile();
  }

  /** The code of the next text message to a number. A queued one is awaited, so that no older code is taken for it. */
  async codeFor(phone: string): Promise<string> {
    for (;;) {
      const codes = this.#messages().filter(([to]) => to === phone);
      const code = codes[this.#read.get(phone) ?? 0]?.[1];
      if (code !== undefined) {
        this.#read.set(phone, (this.#read.get(phone) ?? 0) + 1);
        return code;
      }
      await sleep(20);
    }
  }

  /** How many text messages have gone to a number since the start of the server. */
  messagesTo(phone: string): number {
    return this.#messages().filter(([to]) => to === phone).length;
  }

  /** Runs the tests that the guides have written. @returns what Vitest says. @throws when one of them fails. */
  test(): Promise<string> {
    return this.#answerOf('npm run test:e2e');
  }

  /** Starts the server as the guides do, with more in its environment until it is started again. */
  async restart(more: Readonly<Record<string, string>>): Promise<void> {
    this.#more = more;
    await this.#start('NODE_ENV=development npm start');
  }

  async end(): Promise<void> {
    await this.stop();
    await this.removeCopy();
    await rm(this.folder, { recursive: true, force: true });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server?.pid === undefined || server.exitCode !== null) return;
    const closed = once(server, 'close');
    process.kill(-server.pid, signal);
    await closed;
  }

  get #environment(): NodeJS.ProcessEnv {
    const own = Object.entries(process.env).filter(([name]) => !NOT_OF_A_READER.test(name));
    return {
      ...Object.fromEntries(own),
      ...this.#variables,
      ...this.#more,
      PORT: String(this.port),
      NO_COLOR: '1',
    };
  }

  async #write(path: string, text: string): Promise<void> {
    const file = join(this.#cwd, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  async #run({ line, answer }: Command): Promise<void> {
    const [, variable] = /^([A-Z]+)=\S+$/.exec(line) ?? [];
    if (line.startsWith('npx @nestjs/cli@12 new ')) await this.#new(line.split(' ')[3]!);
    else if (line.startsWith('cd ')) this.#cwd = join(this.#cwd, line.slice(3));
    else if (line.startsWith('npm install ')) await this.#install(line.split(' ').slice(2));
    else if (line.endsWith('npm start')) await this.#start(line);
    else if (variable === 'ID') this.#variables['ID'] = this.#lastId;
    else if (variable === 'CODE') this.#variables['CODE'] = this.#lastCode();
    else await this.#shell(line, answer);
  }

  async #new(name: string): Promise<void> {
    const cli = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
    const how = ['new', name, '--skip-git', '--skip-install', '--package-manager', 'npm'];
    await run(process.execPath, [cli, ...how], { cwd: this.#cwd, env: this.#environment });
    const file = join(this.#cwd, name, 'vitest.config.e2e.ts');
    const config = await readFile(file, 'utf8');
    const plain = config.replaceAll(/^.*tsconfigPaths.*\n/gm, '');
    if (plain === config) throw new Error('Nest has generated another configuration of Vitest.');
    await writeFile(file, plain);
  }

  /** Every name must be installed for this repository, and its version is the one that is installed here. */
  async #install(words: readonly string[]): Promise<void> {
    const file = join(this.#cwd, 'package.json');
    const manifest = JSON.parse(await readFile(file, 'utf8')) as Record<string, object>;
    const list = words.includes('-D') ? 'devDependencies' : 'dependencies';
    for (const name of words.filter((word) => !word.startsWith('-'))) {
      const own = join(this.#cwd, 'node_modules', name);
      const isOurs = name === 'nestjs-two-factor';
      const installed = isOurs ? own : join(ROOT, 'node_modules', name);
      if (isOurs) {
        await mkdir(own, { recursive: true });
        await run('tar', ['-xzf', this.tarball, '-C', own, '--strip-components=1']);
      } else if (!existsSync(installed)) {
        throw new Error(`${name} is not installed for this repository.`);
      } else if (!existsSync(own)) {
        // A server may serve files of a package from the folder in which npm puts it.
        await mkdir(dirname(own), { recursive: true });
        await symlink(installed, own);
      }
      const { version } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
        version: string;
      };
      manifest[list] = { ...manifest[list], [name]: `^${version}` };
    }
    await writeFile(file, `${JSON.stringify(manifest, null, 2)}\n`);
  }

  async #start(line: string): Promise<void> {
    await this.stop();
    this.log = '';
    this.#read.clear();
    // A group of its own: npm, the CLI and the application end together.
    const server = spawn('bash', ['-c', line], {
      cwd: this.#cwd,
      env: this.#environment,
      detached: true,
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      for (const stream of [server.stdout, server.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          this.log += text;
          if (this.log.includes('successfully started')) resolve();
        });
      }
      server.once('close', () => reject(new Error(`The server has ended:\n${this.log}`)));
    });
    // Nest says so before it listens.
    while (!(await isOpen(this.port))) await sleep(50);
  }

  async #shell(line: string, shown: string | undefined): Promise<void> {
    const here = line.replaceAll('localhost:3000', `localhost:${this.port}`);
    const answer = await this.#answerOf(here);
    // A queued message leaves a moment after the answer, so that a person asks again.
    if (shown?.includes('"delivery":"sent"') && answer.includes('"delivery":"queued"')) {
      return this.#shell(line, shown);
    }
    this.#lastId = /^\{"id":"([^"]+)"/.exec(answer)?.[1] ?? this.#lastId;
    if (shown !== undefined && !answers(answer, shown)) {
      throw new Error(`${line}\nanswers ${answer}\nand not ${shown}\n${this.log}`);
    }
  }

  async #answerOf(line: string): Promise<string> {
    try {
      const options = { cwd: this.#cwd, env: this.#environment };
      const { stdout } = await run('bash', ['-c', line], options);
      return stdout.trim();
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      throw new Error(`${line}\nhas failed:\n${stdout}${stderr}`, { cause: error });
    }
  }

  /** Numbers and codes of all text messages, in their order. */
  #messages(): (readonly [to: string, code: string])[] {
    return [...this.log.matchAll(/ sms to (\+\d+): (\d{6}) is your /g)].map(
      ([, to = '', code = '']) => [to, code] as const,
    );
  }

  #lastCode(): string {
    const code = this.#messages().at(-1)?.[1];
    if (code === undefined) throw new Error(`There is no code in the log:\n${this.log}`);
    return code;
  }

  /** As `nest build` does, without writing, and with the tests. */
  #compile(): string[] {
    const file = join(this.#cwd, 'tsconfig.json');
    if (!existsSync(file)) return [];
    const { config } = ts.readConfigFile(file, (path) => ts.sys.readFile(path)) as {
      config: object;
    };
    const parsed = ts.parseJsonConfigFileContent(config, ts.sys, this.#cwd);
    const { options: given } = parsed;
    const fileNames = parsed.fileNames.filter((name) => !/vitest\.config[.\w]*\.ts$/.test(name));
    const options = { ...given, noEmit: true, incremental: false };
    const host = ts.createIncrementalCompilerHost(options);
    const read = host.getSourceFile.bind(host);
    // Only the application changes from step to step.
    host.getSourceFile = (path, ...how) => {
      if (!path.includes('/node_modules/')) return read(path, ...how);
      if (!this.#libraries.has(path)) this.#libraries.set(path, read(path, ...how));
      return this.#libraries.get(path);
    };
    const { createSemanticDiagnosticsBuilderProgram: create } = ts;
    this.#program = create(fileNames, options, host, this.#program);
    const found = [
      ...this.#program.getOptionsDiagnostics(),
      ...this.#program.getSyntacticDiagnostics(),
      ...this.#program.getSemanticDiagnostics(),
    ];
    return found.map(({ file: source, messageText }) =>
      [
        source?.fileName.slice(this.#cwd.length + 1),
        ts.flattenDiagnosticMessageText(messageText, '\n'),
      ].join(': '),
    );
  }
}
