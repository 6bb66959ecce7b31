import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorConfigurationError } from '../../lib/index.js';
import { secretOf } from '../support/secret.js';
import { SECRET, startApp } from '../support/test-app.js';

describe('The secrets of an application', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  async function warningsOfBoot(): Promise<string[]> {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    const test = await startApp();
    await test.close();
    return warn.mock.calls.map(([line]) => String(line));
  }

  it('are warned about once when the environment’s stands in for the code’s', async () => {
    vi.stubEnv('TWO_FACTOR_SECRET', secretOf('another one'));
    const warnings = (await warningsOfBoot()).filter((line) => line.includes('SECRET'));
    expect(warnings).toEqual([
      'TWO_FACTOR_SECRET stands in for the option secret, which is another one: confirmations under the option are void. ' +
        'Set one of them, or list both in TWO_FACTOR_SECRETS.',
    ]);
    expect(warnings[0]).not.toContain(secretOf('another one'));
    expect(warnings[0]).not.toContain(SECRET);
  });

  it('are not warned about when both are the same', async () => {
    vi.stubEnv('TWO_FACTOR_SECRET', SECRET);
    expect((await warningsOfBoot()).filter((line) => line.includes('SECRET'))).toEqual([]);
  });

  it('stop the boot when the environment would drop one of a ring, or is guessable', async () => {
    vi.stubEnv('TWO_FACTOR_SECRET', SECRET);
    const secrets = [secretOf('the new one'), SECRET];
    const dropped = startApp({ options: { secret: undefined, secrets } });
    await expect(dropped).rejects.toThrow(TwoFactorConfigurationError);
    await expect(dropped).rejects.toThrow("Option secrets[0] is not in the environment's");

    vi.stubEnv('TWO_FACTOR_SECRET', 'correct-horse-battery-staple-in-production');
    const guessable = startApp({ options: { secret: undefined } });
    await expect(guessable).rejects.toThrow(TwoFactorConfigurationError);
    await expect(guessable).rejects.toThrow('TWO_FACTOR_SECRET is easier to guess than 32 random');
  });
});
