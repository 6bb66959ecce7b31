import { inspect } from 'node:util';

import { Logger } from '@nestjs/common';

type Writes = (...words: unknown[]) => unknown;

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
    // The console and the loggers are captured as well, because a test runner replaces the console, and
    // `Test.createTestingModule` a logger that writes nothing.
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
    value(this: unknown, ...words: unknown[]) {
      lines.push(words.map(textOf).join(' '));
      return write.apply(this, words);
    },
  });
  return () => {
    if (original) Object.defineProperty(writer, name, original);
    else Reflect.deleteProperty(writer, name);
  };
}

function textOf(word: unknown): string {
  if (typeof word === 'string') return word;
  if (word instanceof Uint8Array) return Buffer.from(word).toString('utf8');
  return inspect(word, { depth: 8, breakLength: Infinity });
}
