import {
  Injectable,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { expect } from 'vitest';

import {
  SENDER_BACKENDS,
  SenderBackend,
  TwoFactorConfigurationError,
  type Delivery,
  type SenderBackends,
  type SenderDefinition,
} from '../../lib/index.js';
import { TestInbox, startApp, type TestApp, type TestAppInput } from '../support/test-app.js';

export const TOKEN = 'ann@example.com';

export const open: { close(): Promise<unknown> }[] = [];

export async function start(input: TestAppInput = {}): Promise<TestApp> {
  const app = await startApp(input);
  open.push(app);
  return app;
}

/** Starts an application whose senders are these, and the inbox as `default` unless they say otherwise. */
export async function startWith(
  senders: Record<string, SenderDefinition>,
  input: TestAppInput & { readonly inbox?: TestInbox } = {},
): Promise<TestApp> {
  const { inbox = new TestInbox(), ...rest } = input;
  return start({
    ...rest,
    options: { ...rest.options, senders: { default: { backend: () => inbox.send }, ...senders } },
  });
}

export async function bootError(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => new Error('It booted.'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

export async function configurationError(work: Promise<unknown>): Promise<string> {
  const error = await bootError(work);
  expect(error.message).not.toBe('It booted.');
  expect(error).toBeInstanceOf(TwoFactorConfigurationError);
  return error.message;
}

export function moduleOf(name: string, ...providers: Provider[]): DynamicModule {
  const type = { [name]: class {} }[name]!;
  Module({})(type);
  return { module: type, providers, exports: providers };
}

/** A dependency of the application's. */
@Injectable()
export class Gateway {
  readonly delivered: Delivery[] = [];
}

@SenderBackend('sms', { verboseName: 'Text message' })
export class SmsBackend implements SenderBackend<{ from: string }> {
  constructor(readonly gateway: Gateway) {}

  send(delivery: Delivery<{ from: string }>): void {
    this.gateway.delivered.push(delivery);
  }
}

@SenderBackend('pigeon')
export class PigeonBackend implements SenderBackend {
  readonly delivered: Delivery[] = [];

  send(delivery: Delivery): void {
    this.delivered.push(delivery);
  }
}

/** Not decorated, without dependencies. */
export class PlainBackend implements SenderBackend, OnModuleInit, OnApplicationShutdown {
  readonly delivered: Delivery[] = [];
  readonly hooks: string[] = [];

  onModuleInit(): void {
    this.hooks.push('init');
  }

  onApplicationShutdown(): void {
    this.hooks.push('shutdown');
  }

  send(delivery: Delivery): void {
    this.delivered.push(delivery);
  }
}

export const smsModule = moduleOf('SmsModule', SmsBackend, Gateway);

export function backendsOf({ app }: TestApp): SenderBackends {
  return app.get<SenderBackends>(SENDER_BACKENDS);
}

export function verboseNames(app: TestApp): Record<string, string> {
  return Object.fromEntries(
    [...backendsOf(app)].map(([name, sender]) => [name, sender.verboseName]),
  );
}

export async function sendBy(app: TestApp, name: string | null): Promise<void> {
  await app.sender.send(name, TOKEN, await app.confirmer.makeConfirmation(), { locale: 'uk' });
}
