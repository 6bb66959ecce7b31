import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest';

import { KeyRing, newId } from '../../../lib/crypto/index.js';
import type { StoredFactor } from '../../../lib/methods/factors/factor-record.entity.js';
import { FactorSeals } from '../../../lib/methods/factors/factor-seals.js';
import { secretOf } from '../../support/secret.js';

const NOW = 1_800_000_000_000;
const ring = KeyRing.fromSecrets([Buffer.from(secretOf('a secret'))]);

describe('FactorSeals', () => {
  let logged: MockInstance<Logger['error']>;
  beforeEach(() => {
    logged = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => void vi.restoreAllMocks());

  const writtenByHand = (): StoredFactor => ({
    id: newId(NOW),
    application: '',
    subject: 'ann',
    subjectKey: '',
    label: '',
    method: 'totp',
    handle: null,
    counter: 0,
    createdAt: NOW,
    activatedAt: NOW,
    expiresAt: null,
    lastUsedAt: null,
    data: 'v1.written.by.hand',
  });
  const lines = (): string[] => logged.mock.calls.map(([line]) => String(line));

  it('reports a factor that it cannot open once, however often it is read', () => {
    const seals = new FactorSeals(ring);
    const factor = writtenByHand();
    for (let time = 0; time < 3; time += 1) {
      expect(seals.open(factor, 'ann')).toMatchObject({ isIntact: false, data: null });
      expect(seals.sealAgain(factor)).toBeNull();
    }

    expect(lines()).toHaveLength(1);
    expect(lines()[0]).toContain(`The factor ${factor.id} confirms nothing`);
  });

  it('reports a thousand factors by their id, and those beyond by one line for each thousand', () => {
    const seals = new FactorSeals(ring);
    const factors = Array.from({ length: 3_001 }, writtenByHand);
    for (const factor of factors) seals.open(factor, 'ann');

    const named = lines().filter((line) => line.startsWith('The factor '));
    expect(named).toHaveLength(1_000);
    expect(named.every((line, index) => line.includes(factors[index]!.id))).toBe(true);
    const others = lines().filter((line) => line.startsWith('More than 1000 factors'));
    expect(others).toHaveLength(3);
    expect(lines()).toHaveLength(1_003);
  });

  it('does not repeat in the log what was written by hand in place of an id', () => {
    new FactorSeals(ring).open({ ...writtenByHand(), id: 'forged\nERROR all is well' }, 'ann');

    expect(lines()).toHaveLength(1);
    expect(lines()[0]).toContain('The factor (without a valid id) confirms nothing');
    expect(lines()[0]).not.toContain('all is well');
  });
});
