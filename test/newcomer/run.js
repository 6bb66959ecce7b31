// The way of a newcomer: an empty application of `nest new`, and then what the README says under "Install" and "Start",
// word by word. Its commands and its file are read out of it, so that it is the README that is tested. Three things are not
// as it says: the package is the one packed here, the port is a free one, and id and code are those of this run.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NEST = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
const START_WITHIN_MS = 600_000;
const run = promisify(execFile);

/** A newcomer's shell: nothing in it comes from this run of npm, and `NODE_ENV` is not set. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_ENV$|NODE_OPTIONS$|TWO_FACTOR_|INIT_CWD$|PORT$)/i.test(name),
  ),
);

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** One section of the README: its blocks of code, by their language. */
function blocksOf(/** @type {string} */ readme, /** @type {string} */ section) {
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? '';
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    language,
    code: code ?? '',
  }));
}

/** What the README says to do. */
function instructionsOf(/** @type {string} */ readme) {
  const [install, ...noMore] = blocksOf(readme, 'Install').filter(
    ({ language }) => language === 'sh',
  );
  const [file, ...noFile] = blocksOf(readme, 'Start').filter(({ language }) => language === 'ts');
  const [shell, ...noShell] = blocksOf(readme, 'Start').filter(({ language }) => language === 'sh');
  if (!install || !file || !shell || noMore.length + noFile.length + noShell.length > 0) {
    throw new Error('The README has not one block to install, one file and one block to start.');
  }
  if (!readme.includes('npx @nestjs/cli new my-app')) {
    throw new Error('The README does not say how an empty application is made.');
  }
  const [start, ...calls] = shell.code.split('\n').filter((line) => line && !line.startsWith('#'));
  const answers = [...shell.code.matchAll(/^# (\{.*\})$/gm)].map(([, answer]) => answer);
  const name = /^\/\/ (\S+)/.exec(file.code)?.[1];
  if (name !== 'app.module.ts' || calls.length !== 2 || answers.length !== 2 || !start) {
    throw new Error('The README has not an app.module.ts, a command to start and two calls.');
  }
  return { install: install.code.trim(), file: file.code, start, calls, answers };
}

/** Does one step, and says how long it took. */
async function step(/** @type {string} */ name, /** @type {() => Promise<any>} */ work) {
  const begun = performance.now();
  const result = await work();
  say(`newcomer: ${name}, ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  return result;
}

async function shell(/** @type {string} */ command, /** @type {string} */ cwd) {
  const { stdout } = await run('sh', ['-c', command], { cwd, env: environment, maxBuffer: 1e8 });
  return stdout;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}

/** Resolves as soon as a server accepts a connection on the port. */
async function accepts(/** @type {number} */ port) {
  for (const end = performance.now() + START_WITHIN_MS; performance.now() < end;) {
    const socket = connect(port, 'localhost');
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(100);
  }
  throw new Error(`No server listens on ${port}.`);
}

/** The server, once it says that it is up, with all that it has said. */
async function serve(
  /** @type {string} */ command,
  /** @type {string} */ cwd,
  /** @type {number} */ port,
) {
  const env = { ...environment, PORT: String(port), NO_COLOR: '1' };
  // A group of its own: npm, the CLI and the application end together.
  const child = spawn('sh', ['-c', command], { cwd, env, detached: true });
  const server = {
    log: '',
    stop: async () => {
      if (child.exitCode !== null || child.pid === undefined) return;
      const closed = once(child, 'close');
      process.kill(-child.pid, 'SIGKILL');
      await closed;
    },
  };
  const up = new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`It is not up:\n${server.log}`)),
      START_WITHIN_MS,
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        server.log += text;
        if (server.log.includes('successfully started')) resolve(clearTimeout(late));
      });
    }
    child.on('close', () => reject(new Error(`It ended:\n${server.log}`), clearTimeout(late)));
  });
  try {
    await up;
    // Nest says so before it listens.
    await accepts(port);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** A call of the README, answered as the README says: with these members. */
async function call(
  /** @type {string} */ command,
  /** @type {string} */ documented,
  /** @type {string} */ cwd,
) {
  const answer = JSON.parse(await shell(command, cwd));
  const [members, wanted] = [answer, JSON.parse(documented)].map((each) =>
    Object.keys(each).toSorted().join(', '),
  );
  if (members !== wanted) throw new Error(`Answered ${JSON.stringify(answer)}, not ${documented}`);
  return answer;
}

/** Puts a value where the README has one of its own. */
function fill(
  /** @type {string} */ command,
  /** @type {RegExp} */ place,
  /** @type {string} */ value,
) {
  if (!place.test(command)) throw new Error(`There is no ${place} in: ${command}`);
  return command.replace(place, value);
}

async function newcomer(/** @type {string} */ folder) {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const { install, file, start, calls, answers } = instructionsOf(readme);
  const application = join(folder, 'my-app');
  const port = await freePort();
  const here = (/** @type {string} */ command) =>
    fill(command, /localhost:3000/, `localhost:${port}`);

  // This step is not the newcomer's, who installs the package from the registry.
  const pack = `npm pack --silent --pack-destination ${folder}`;
  const tarball = join(folder, (await shell(pack, ROOT)).trim().split('\n').at(-1) ?? '');

  await step('nest new my-app', () =>
    run(process.execPath, [NEST, 'new', 'my-app', '--skip-git', '--package-manager', 'npm'], {
      cwd: folder,
      env: environment,
    }),
  );
  await step(install, () =>
    shell(fill(install, /(?<= )nestjs-two-factor(?= )/, tarball), application),
  );
  await step('src/app.module.ts', () => writeFile(join(application, 'src/app.module.ts'), file));
  const server = await step(start, () => serve(start, application, port));
  try {
    const asked = await step('curl .../request-confirmation', () =>
      call(here(calls[0]), answers[0], application),
    );
    const code = / default to ann@example\.com: (\d{3})(\d{3}) is your code/m.exec(server.log);
    if (!code) throw new Error(`There is no code in the log:\n${server.log}`);
    const typed = fill(
      fill(here(calls[1]), /(?<="id": ")[^"]+/, asked.id),
      /(?<="code": ")[\d ]+/,
      `${code[1]} ${code[2]}`,
    );
    const { id, confirmed } = await step('curl .../confirm', () =>
      call(typed, answers[1], application),
    );
    if (id !== asked.id || confirmed !== true) throw new Error('It is not confirmed.');
    say(`newcomer: {"id":"${id.slice(0, 5)}...","confirmed":true}`);
  } finally {
    await server.stop();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'newcomer-'));
let failure = null;
try {
  await step('from nothing to a confirmed code', () => newcomer(folder));
} catch (error) {
  failure = error;
}
await rm(folder, { recursive: true, force: true });
if (failure) {
  const { message, stdout = '', stderr = '' } = failure;
  say([message, stdout, stderr].join('\n').trim());
  process.exitCode = 1;
}
say(`newcomer: ${failure ? '0 passed, 1 failed' : '1 passed, 0 failed'}`);
