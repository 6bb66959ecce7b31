import { inspect } from 'node:util';

import { Logger } from '@nestjs/common';

type Writes = (...words: unknown[]) => unknown;

const LEVELS = ['log', 'info', 'warn', 'error', 'debug', 'verbose', 'fatal', 'trace'] as const;

/**
 * Everything that is written to the output, the console and Nest's loggers while `work` runs, as one text. It is written
 * none the less.
 */
export async function captureOutput(work: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const restore = [process.stdout, process.stderr].map((stream) =>
    intercept(stream, 'write', lines),
  );
  for (const level of LEVELS) {
    // A test runner has a console of its own, and `Test.createTestingModule` a logger that drops what it gets.
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
