// What the reader of the guides takes for a step, for a line that is new, and for the answer that a guide shows.
import { describe, expect, it } from 'vitest';

import { answers, changedLines, seriesPageOf } from '../support/guide-series.js';

describe('The reader of the guides', () => {
  it('refuses a block without a text above it, and a file without a name', () => {
    const page = (step: string): string => `# T\n\nAt the end x.\n\n## 1. Do\n\n${step}`;
    expect(() => seriesPageOf('twin', page('```sh\nls\n```\n'))).toThrow('no text stands above');
    expect(() => seriesPageOf('twin', page('Do this.\n\n```ts\nconst a = 1;\n```\n'))).toThrow(
      'has no name',
    );
  });

  it.each([
    ['a\nb\nc\n', 'a\nx\nb\nc\ny\nz\n', '2,5-6'],
    ['a\nb\n', 'b\n', ''],
    ['a\n', 'b\n', '1'],
  ])('finds the lines that are new when %j becomes %j', (before, after, marked) => {
    expect(changedLines(before, after)).toBe(marked);
  });

  it('rejects an answer that differs from the one that the guide shows', () => {
    expect(answers('{"id":"1","a":2}', '{"id":"...","a":2}')).toBe(true);
    expect(answers('{"id":"1","a":3}', '{"id":"...","a":2}')).toBe(false);
    expect(answers('x{"a":2}', '{"a":2}')).toBe(false);
    expect(answers('{"a":2}x', '{"a":2}')).toBe(false);
    expect(answers('{"a":2,"b":3}', '{"a":2...')).toBe(true);
  });
});
