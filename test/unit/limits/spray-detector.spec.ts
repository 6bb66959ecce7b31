import { describe, expect, it } from 'vitest';

import { SprayDetector } from '../../../lib/limits/index.js';

const rule = { confirmations: 3, perMs: 1_000 };

describe('The watch for one code on many confirmations', () => {
  it('reports once in a window, and again in the next one', () => {
    const watch = new SprayDetector(rule);
    const told = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => watch.record('guess', id, 0));

    expect(told).toEqual([null, null, 3, null, null, null]);
    expect(['a', 'b', 'c'].map((id) => watch.record('guess', id, 1_000))).toEqual([null, null, 3]);
  });

  it('counts confirmations, not tries, and each code for itself', () => {
    const watch = new SprayDetector(rule);
    for (let time = 0; time < 5; time += 1) expect(watch.record('guess', 'a', time)).toBeNull();
    for (const id of ['b', 'c', 'd']) expect(watch.record(`other ${id}`, id, 5)).toBeNull();
    expect(watch.record('guess', 'b', 6)).toBeNull();
    expect(watch.record('guess', 'c', 7)).toBe(3);
  });

  it('forgets the oldest of very many codes', () => {
    const watch = new SprayDetector(rule);
    watch.record('oldest', 'a', 0);
    watch.record('oldest', 'b', 0);
    for (let code = 0; code < 10_000; code += 1) watch.record(`code ${code}`, 'a', 0);
    expect(watch.record('oldest', 'c', 0)).toBeNull();
  });

  it('sees nothing when it is switched off', () => {
    const watch = new SprayDetector(null);
    expect(['a', 'b', 'c', 'd'].map((id) => watch.record('guess', id, 0))).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});
