// What the specs of messages share: applications whose sender is a double, and what they say of a message.
import { ConsoleLogger } from '@nestjs/common';
import { afterEach, expect, vi } from 'vitest';

import {
  ConfirmationRecord,
  TwoFactorTooManyRequestsError,
  type Delivery,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { recordOutput } from './canaries.js';
import { startApp, type TestApp, type TestAppInput } from './test-app.js';

export const TOKEN = 'ann@example.com';
export const OTHER = 'eve@evil.example';
export const KEY = 'order-4711/attempt-1';

export interface SendingApps {
  readonly start: (options?: TwoFactorModuleOptions, input?: TestAppInput) => Promise<TestApp>;
  readonly startWithBackend: (
    send: (delivery: Delivery) => unknown,
    options?: TwoFactorModuleOptions,
    logger?: LogRecorder,
  ) => Promise<TestApp>;
}

/** Applications that are closed after each test of the file that calls this. */
export function sendingApps(): SendingApps {
  const open: TestApp[] = [];
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const app of open.splice(0)) await app.close();
  });
  const start = async (
    options: TwoFactorModuleOptions = {},
    input: TestAppInput = {},
  ): Promise<TestApp> => {
    const app = await startApp({ ...input, options });
    open.push(app);
    return app;
  };
  return {
    start,
    startWithBackend: (send, options = {}, logger = new LogRecorder()) =>
      start(
        { ...options, senders: { default: { backend: () => send } } },
        { override: (builder) => builder.setLogger(logger) },
      ),
  };
}

/** The error of a call that must fail, if it is of that class. */
export async function failure<E extends Error>(
  type: abstract new (...args: never[]) => E,
  work: Promise<unknown>,
): Promise<E> {
  const error: unknown = await work.then(
    () => 'nothing',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  return error as E;
}

export async function secondsToWait(app: TestApp, id: string): Promise<number | null> {
  return (await failure(TwoFactorTooManyRequestsError, app.twoFactor.resend(id))).retryAfterSeconds;
}

export async function rows(app: TestApp): Promise<number> {
  return app.dataSource.getRepository(ConfirmationRecord).count();
}

export async function rowOf(app: TestApp, id: string): Promise<ConfirmationRecord> {
  return app.dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id });
}

/** Keeps what an application logs, which is also searched for codes at the end. */
export class LogRecorder extends ConsoleLogger {
  readonly lines: string[] = [];

  protected override printMessages(messages: unknown[], _context = '', level = 'log'): void {
    for (const message of messages) {
      this.lines.push(`${level} ${String(message)}`);
      recordOutput('log', message);
    }
  }
}
