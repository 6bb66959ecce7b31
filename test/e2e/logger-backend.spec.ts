import { ConsoleLogger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  digits,
  LoggerBackend,
  TwoFactorConfigurationError,
  type SenderDefinition,
} from '../../lib/index.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

/** Keeps what is logged, and prints nothing: this backend logs codes on purpose. */
class QuietLogger extends ConsoleLogger {
  readonly lines: string[] = [];

  protected override printMessages(messages: unknown[], context = '', level = 'log'): void {
    for (const message of messages) this.lines.push(`${level} [${context}] ${String(message)}`);
  }
}

const apps: TestApp[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const app of apps.splice(0)) await app.close();
});

async function startWith(
  backend: SenderDefinition['backend'],
  logger: QuietLogger,
  input: TestAppInput = {},
): Promise<TestApp> {
  const app = await startApp({
    ...input,
    // No canaries: the search for codes is about what must never be printed.
    options: { codeGenerator: digits(6), senders: { default: { backend } } },
    override: (builder) => builder.setLogger(logger),
  });
  apps.push(app);
  return app;
}

describe('the logger backend', () => {
  it.each(['test', 'development'])('writes the code to the log with NODE_ENV=%s', async (name) => {
    vi.stubEnv('NODE_ENV', name);
    const logger = new QuietLogger();
    const app = await startWith(LoggerBackend, logger);
    const { state } = await app.twoFactor.request({ token: 'ann@example.com' });
    expect(logger.lines).toContain(
      `log [LoggerBackend] default to ann@example.com: ${state.code} is your code. It is valid for 10 minutes. Do not share it.`,
    );
    expect(app.sender.sender(null).verboseName).toBe('Log of the server');
  });

  it('may be provided by the application and named by its decorator', async () => {
    const logger = new QuietLogger();
    const app = await startWith('logger', logger, { providers: [LoggerBackend] });
    const { state } = await app.twoFactor.request({ token: '+14155550123' });
    expect(logger.lines).toContain(
      `log [LoggerBackend] default to +14155550123: ${state.code} is your code. It is valid for 10 minutes. Do not share it.`,
    );
  });

  it.each(['production', '', 'staging', undefined])(
    'does not boot with NODE_ENV=%j',
    async (name) => {
      vi.stubEnv('NODE_ENV', name);
      for (const input of [{}, { providers: [LoggerBackend] }]) {
        const logger = new QuietLogger();
        const error: unknown = await startWith(LoggerBackend, logger, input).catch(
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(TwoFactorConfigurationError);
        expect((error as Error).message).toBe(
          'The sender backend LoggerBackend writes codes to the log, and NODE_ENV is neither "development" nor ' +
            '"test". Use a backend that delivers them.',
        );
      }
    },
  );
});
