import { inspect } from 'node:util';

import { Logger } from '@nestjs/common';

type Writes = (...args: unknown[]) => unknown;

const LEVELS = ['log', 'info', 'warn', 'error', 'debug', 'verbose', 'fatal', 'trace'] as const;

/**
 * Runs `work` and returns everything that is written to stdout, stderr, the console and Nest's loggers meanwhile, as one text. The
 * output is written as well.
 */
export async function captureOutput(work: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const restore = [process.stdout, process.stderr].map((stream) =>
    intercept(stream, 'write', lines),
  );
  for (const level of LEVELS) {
    // Calls of the console and of the loggers are intercepted as well. A test runner replaces the console, and
    // `Test.createTestingModule` installs a logger that writes nothing, so that no stream would show what they are given.
    for (const writer of [console, Logger, Logger.prototype]) {
      if (level in writer) restore.push(intercept(writer, level, lines));
    }
  }
  try {
    await work();
  } finally {
    for (const end of restore.toReversed()) end();
  }
  return lines.join('\n');
}

function intercept(writer: object, name: string, lines: string[]): () => void {
  const original = Object.getOwnPropertyDescriptor(writer, name);
  const write = Reflect.get(writer, name) as Writes;
  Object.defineProperty(writer, name, {
    configurable: true,
    writable: true,
    value(this: unknown, ...args: unknown[]) {
      lines.push(args.map(textOf).join(' '));
      return write.apply(this, args);
    },
  });
  return () => {
    if (original) Object.defineProperty(writer, name, original);
    else Reflect.deleteProperty(writer, name);
  };
}

/** An argument of a captured call of a stream, the console or a logger, as text. */
function textOf(argument: unknown): string {
  if (typeof argument === 'string') return argument;
  if (argument instanceof Uint8Array) return Buffer.from(argument).toString('utf8');
  return inspect(argument, { depth: 8, breakLength: Infinity });
}
