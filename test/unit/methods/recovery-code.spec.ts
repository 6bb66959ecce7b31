import { describe, expect, it } from 'vitest';

import {
  drawRecoveryCode,
  parseRecoveryCode,
  recoveryHandle,
} from '../../../lib/methods/recovery/recovery-code.js';

describe('A recovery code', () => {
  it('has 25 letters and digits that are not mistaken for others, each as often', () => {
    const codes = Array.from({ length: 4_000 }, drawRecoveryCode);
    const counts = new Map<string, number>();
    for (const symbol of codes.join('').replaceAll('-', '')) {
      counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
    }

    for (const code of codes)
      expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){4}$/);
    expect(new Set(codes).size).toBe(4_000);
    expect(counts.size).toBe(32);
    // 3,125 of each are expected, with a standard deviation of 55.
    for (const count of counts.values()) expect(Math.abs(count - 3_125)).toBeLessThan(550);
  });

  it.each([
    ['K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P', 'K7QF2M9DXW4TH8RBN3CV6YJ0P'],
    ['k7qf2 m9dxw 4th8r bn3cv 6yj0p', 'K7QF2M9DXW4TH8RBN3CV6YJ0P'],
    ['\tk7qf2m9dxw4th8rbn3cv6yjop\n', 'K7QF2M9DXW4TH8RBN3CV6YJ0P'],
    ['IL1O0-IL1O0-IL1O0-il1o0-il1o0', '1110011100111001110011100'],
    ['K7QF2–M9DXW—4TH8R‑BN3CV−6YJ0P', 'K7QF2M9DXW4TH8RBN3CV6YJ0P'],
    [
      '\u200eK7QF2\u200b-M9DXW\u00a04TH8R\u00ad-BN3CV\u2060-6YJ0P\ufeff',
      'K7QF2M9DXW4TH8RBN3CV6YJ0P',
    ],
    ['K７QF２-M９DXW-４TH８R-BN３CV-６YJ０P', 'K7QF2M9DXW4TH8RBN3CV6YJ0P'],
  ])('is read as a person types it: %j', (typed, symbols) => {
    expect(parseRecoveryCode(typed)).toBe(symbols);
  });

  it.each([
    undefined,
    null,
    5,
    '',
    'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0',
    'K7QF2-M9DXW-4TH8R-BN3CV-6YJ0P0',
    'U7QF2-M9DXW-4TH8R-BN3CV-6YJ0P',
    'Ä7QF2-M9DXW-4TH8R-BN3CV-6YJ0P',
    'K'.repeat(1_000_000),
  ])('is refused when it cannot be one: %#', (typed) => {
    const rule = expect.stringContaining('A recovery code has 25 letters and digits') as string;
    expect(() => parseRecoveryCode(typed)).toThrow(
      expect.objectContaining({ message: rule, detail: rule }),
    );
  });

  it('is stored under another hash for each subject and application', () => {
    const code = 'K7QF2M9DXW4TH8RBN3CV6YJ0P';
    const handles = [
      recoveryHandle('', 'ann', code),
      recoveryHandle('a', 'nn', code),
      recoveryHandle('', 'bob', code),
      recoveryHandle('', 'an', `n${code}`),
    ];

    expect(new Set(handles).size).toBe(4);
    for (const handle of handles) expect(handle).toMatch(/^[0-9a-f]{64}$/);
  });
});
