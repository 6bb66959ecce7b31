import { describe, expect, it } from 'vitest';

import { command } from './command.js';
import { reasonOf } from './table.js';

const node = (script: string, seconds: number): Promise<string> =>
  command(process.execPath, ['-e', script], { cwd: '.', seconds });

describe('A command of the matrix', () => {
  it('answers what was written', async () => {
    expect(await node('console.log(process.env.NODE_ENV)', 30)).toBe('test\n');
  });

  it('throws what was written when it fails', async () => {
    await expect(node('console.error("a reason"); process.exit(1)', 30)).rejects.toThrow(
      'a reason',
    );
  });

  it('throws when there is no such program', async () => {
    await expect(command('no-such-program', [], { cwd: '.', seconds: 30 })).rejects.toThrow(
      'ENOENT',
    );
  });

  it('is ended with all that it started when it takes too long', async () => {
    // A process that holds its output keeps it from ending: the grandchild here, for ever.
    const forever = `['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'inherit' }`;
    const script = `child_process.spawn(process.execPath, ${forever}); console.log('begun');`;

    await expect(node(script, 2)).rejects.toThrow('more than 2 s.\nbegun');
  });
});

describe('The reason in the table', () => {
  it('is the step and the first line that reports an error', () => {
    expect(reasonOf('tsc: compiling\nsrc/a.ts(1,1): error TS2307: Cannot | find\nmore')).toBe(
      'tsc: src/a.ts(1,1): error TS2307: Cannot \\| find',
    );
    expect(reasonOf('run: It took more than 3 s.')).toBe('run: It took more than 3 s.');
  });
});
