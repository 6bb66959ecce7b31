import { spawn } from 'node:child_process';

/** What is still running, to be ended when we are. */
const running = new Set<number>();
let isOver = false;

export interface Command {
  readonly cwd: string;
  readonly seconds: number;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Runs a program to its end.
 * @returns all that it wrote
 * @throws with all that it wrote when it fails, or takes too long
 */
export async function command(
  program: string,
  args: readonly string[],
  { cwd, seconds, env = {} }: Command,
): Promise<string> {
  if (isOver) throw new Error('Interrupted.');
  const child = spawn(program, args, {
    cwd,
    // What a runner of tests says to its workers is not for the applications.
    env: { ...process.env, NODE_OPTIONS: '', NODE_ENV: 'test', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that what it starts ends with it.
    detached: true,
  });
  const { pid } = child;
  let output = '';
  const listen = (data: Buffer): void => {
    output += data.toString();
  };
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    if (pid !== undefined) end(pid);
  }, seconds * 1_000);
  try {
    if (pid !== undefined) running.add(pid);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (late) throw new Error(`It took more than ${seconds} s.\n${output}`);
    if (code !== 0) throw new Error(output);
    return output;
  } finally {
    clearTimeout(deadline);
    if (pid !== undefined) running.delete(pid);
  }
}

/** Ends all that is running, and begins nothing more. */
export function endCommands(): void {
  isOver = true;
  for (const pid of running) end(pid);
}

function end(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
