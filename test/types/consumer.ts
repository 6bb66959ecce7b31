/**
 * The public API as an application writes it. Never run: `npm run typecheck` compiles it, and what is expected to be an
 * error must be one.
 */
import * as nodeTest from 'node:test';

import { Controller, Injectable, Post } from '@nestjs/common';
import {
  Confirmation,
  ConfirmationProof,
  ConfirmationState,
  ConfirmerService,
  InjectSenderBackends,
  RequireConfirmation,
  SenderService,
  TWO_FACTOR_ENTITIES,
  TwoFactorCodeMismatchError,
  TwoFactorError,
  twoFactorMigrations,
  TwoFactorSendError,
  TwoFactorService,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  type ConfirmationReference,
  type ConfirmationResult,
  type ConfirmationStatus,
  type JsonValue,
  type MakeConfirmationInput,
  type ProofBinding,
  type PurgeInput,
  type ResolvedSender,
  type SendContext,
  type SenderBackends,
  type RequestedConfirmation,
  type TwoFactorRequestInput,
  type TwoFactorStateCode,
  type UseInput,
} from 'nestjs-two-factor';
import {
  describeSenderBackend,
  FakeClock,
  TestInbox,
  sequentialCodes,
  TwoFactorTestingModule,
  type CapturedMessage,
  type SenderBackendFixture,
  type TestFramework,
} from 'nestjs-two-factor/testing';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import type { DataSource, DataSourceOptions } from 'typeorm';
import * as vitest from 'vitest';

import { type SmsOptions, SmsBackend } from './senders.js';
import { same } from './same.js';

export const dataSourceOptions: DataSourceOptions = {
  type: 'postgres',
  entities: [...TWO_FACTOR_ENTITIES],
  migrations: [...twoFactorMigrations],
};

// Services ------------------------------------------------------------------------------------------------------------

@Injectable()
export class Application {
  constructor(
    private readonly confirmer: ConfirmerService,
    private readonly sender: SenderService,
    private readonly twoFactor: TwoFactorService,
    private readonly dataSource: DataSource,
    @InjectSenderBackends() private readonly backends: SenderBackends,
  ) {}

  async make(): Promise<ConfirmationState> {
    const input: MakeConfirmationInput = {
      meta: undefined,
      isConfirmed: undefined,
      token: undefined,
      way: undefined,
      purpose: undefined,
      subject: undefined,
      details: undefined,
      ttlSeconds: undefined,
      context: undefined,
      idempotencyKey: undefined,
      manager: undefined,
    };
    // @ts-expect-error a Date is no JSON
    await this.confirmer.makeConfirmation({ meta: { at: new Date() } });
    // @ts-expect-error nor is undefined, when it is the whole of a list's item
    await this.confirmer.makeConfirmation({ details: [undefined] });
    // @ts-expect-error the attempts are no business of a caller
    await this.confirmer.makeConfirmation({ attempts: 0 });
    await this.confirmer.makeConfirmation();
    const nested: JsonValue = { list: [1, 'a', null, { deep: [true] }] };
    return this.confirmer.makeConfirmation({ ...input, meta: nested, details: nested });
  }

  async confirm(id: string, code: string): Promise<ConfirmationStatus | 'unknown'> {
    const result: ConfirmationResult = await this.confirmer.confirm(id, code);
    // @ts-expect-error there may be no state
    void result[0].status;
    if (result[1]) {
      // The state is there when it was confirmed.
      same<(typeof result)[0], ConfirmationState>(true);
      return result[0].status;
    }
    same<(typeof result)[0], ConfirmationState | null>(true);
    return result[0]?.status ?? 'unknown';
  }

  async destructured(id: string): Promise<number> {
    const [state, isUsable] = await this.confirmer.check(id, {
      purpose: undefined,
      subject: undefined,
      details: undefined,
    });
    if (isUsable) {
      same<typeof state, ConfirmationState>(true);
      return state.attemptsLeft;
    }
    // @ts-expect-error it may be null
    return state.attemptsLeft;
  }

  async use(reference: ConfirmationReference): Promise<boolean> {
    const binding: ProofBinding = {
      purpose: 'transfer',
      subject: 'user-1',
      details: { amount: '10' },
    };
    const input: UseInput = { ...binding, manager: undefined, idempotencyKey: undefined };
    // @ts-expect-error a number is no id
    await this.confirmer.use(5);
    // @ts-expect-error a look-alike is no state
    await this.confirmer.use({ id: 'x' });
    const used = await this.dataSource.transaction(async (manager) =>
      this.confirmer.use(reference, { ...binding, manager }),
    );
    return used || (await this.confirmer.use(reference, input));
  }

  async state(state: ConfirmationState): Promise<void> {
    same<ConfirmationState['token'], string | null>(true);
    same<ConfirmationState['code'], string | null>(true);
    same<ConfirmationState['expiresAt'], Date>(true);
    same<ConfirmationState['usedAt'], Date | null>(true);
    // @ts-expect-error a state is read-only
    state.isConfirmed = true;
    // @ts-expect-error and shows no attempts of a row
    void state.attempts;
    same<boolean, Awaited<ReturnType<ConfirmationState['confirm']>>>(true);
    const value: unknown = state;
    if (ConfirmationState.is(value)) same<typeof value, ConfirmationState>(true);
  }

  async send(state: ConfirmationState): Promise<void> {
    const context: SendContext = { locale: 'uk' };
    await this.sender.send(null, 'ann@example.com', state);
    await this.sender.send('sms', '+1', state.id, context);
    await this.sender.send('sms', '+1', state, undefined);
    // @ts-expect-error the token is a text
    await this.sender.send('sms', ['+1'], state);
    // @ts-expect-error the default sender is said by null
    await this.sender.send(undefined, '+1', state);
    const { name, verboseName }: ResolvedSender = this.sender.sender(null);
    same<typeof name, string>(true);
    same<typeof verboseName, string>(true);
  }

  async request(): Promise<RequestedConfirmation> {
    const input: TwoFactorRequestInput = {
      token: '+1',
      way: undefined,
      purpose: undefined,
      subject: undefined,
      details: undefined,
      meta: undefined,
      ttlSeconds: undefined,
      context: undefined,
      idempotencyKey: undefined,
    };
    // @ts-expect-error a request needs a token
    await this.twoFactor.request({ way: 'sms' });
    // @ts-expect-error a request is never confirmed from the start
    await this.twoFactor.request({ token: '+1', isConfirmed: true });
    await this.twoFactor.request({ token: '+1', manager: this.dataSource.manager });
    const { id, resendAt } = await this.twoFactor.request(input);
    same<typeof resendAt, Date>(true);
    return this.twoFactor.resend(id);
  }

  async clean(): Promise<number> {
    const input: PurgeInput = {
      olderThan: undefined,
      batchSize: undefined,
      dutyCycle: undefined,
      signal: undefined,
    };
    await this.confirmer.erase({ subject: 'user-1' });
    return (await this.confirmer.purge()) + (await this.confirmer.purge(input));
  }

  names(): string[] {
    // @ts-expect-error the map is read-only
    this.backends.delete('sms');
    return [...this.backends].map(([name, { verboseName }]) => `${name} ${verboseName}`);
  }
}

@Controller()
export class GuardedController {
  @Post('transfer')
  @RequireConfirmation('transfer', {
    useIn: 'handler',
    confirmationId: (context) => context.switchToHttp().getRequest<{ id: unknown }>().id,
    details: async () => ({ amount: '10.00' }),
  })
  async transfer(@Confirmation() proof: ConfirmationProof): Promise<void> {
    same<typeof proof.state, ConfirmationState>(true);
    await proof.use();
  }

  @Post('login')
  @RequireConfirmation('login')
  login(): void {}
}

// Test kit ------------------------------------------------------------------------------------------------------------

const inbox = new TestInbox({ max: undefined });
const still: FakeClock = new FakeClock(new Date());
still.advance({ seconds: 30, minutes: undefined });
export const messages: readonly CapturedMessage[] = inbox.to('ann@example.com');

export const testing = [
  TwoFactorTestingModule.forRoot(),
  TwoFactorTestingModule.forRoot({
    inbox,
    clock: { now: () => 0 },
    codeGenerator: sequentialCodes('000001'),
    limits: false,
    controller: true,
    senders: { email: { backend: inbox.backend } },
  }),
];

export const overridden: TestingModuleBuilder = TwoFactorTestingModule.override(
  Test.createTestingModule({ imports: testing }),
  { inbox, clock: still, limits: false },
);
// @ts-expect-error all senders go to the inbox, so there must be one
TwoFactorTestingModule.override(overridden, { clock: still });

const frameworks: readonly TestFramework[] = [vitest, nodeTest];
for (const framework of frameworks) {
  const open = (): SenderBackendFixture<SmsOptions> & { hangs: boolean } => ({
    send: (delivery) => new SmsBackend().send(delivery),
    delivered: () => [{ token: '+15555550100', text: '042317' }],
    hangs: false,
  });
  const contract = {
    open,
    token: String,
    hang: (fixture: { hangs: boolean }) => (fixture.hangs = true),
  };
  describeSenderBackend('SmsBackend', { ...contract, options: { from: 'ACME' } }, framework);
  // @ts-expect-error the options are the backend's
  describeSenderBackend('SmsBackend', { ...contract, options: { form: 'ACME' } }, framework);
}

// Errors --------------------------------------------------------------------------------------------------------------

export function whatToDo(error: unknown): string | number | Date | null {
  if (error instanceof TwoFactorSendError) return error.resendAt;
  if (error instanceof TwoFactorTooManyRequestsError) {
    same<typeof error.retryAfterSeconds, number | null>(true);
    return error.retryAfterSeconds;
  }
  if (error instanceof TwoFactorUnavailableError) {
    same<typeof error.code, 'temporarily-unavailable' | 'out-of-service'>(true);
    same<typeof error.retryAfterSeconds, number | null>(true);
    return error.retryAfterSeconds;
  }
  if (error instanceof TwoFactorCodeMismatchError) return error.attemptsLeft;
  if (error instanceof TwoFactorStateError) {
    const { code } = error;
    same<typeof code, TwoFactorStateCode>(true);
    switch (code) {
      case 'already-confirmed':
      case 'already-used':
      case 'expired':
      case 'attempts-exhausted':
      case 'cancelled':
      case 'sender-removed':
      case 'method-not-allowed':
      case 'last-factor':
      case 'no-factor':
        return code;
      default:
        return code satisfies never;
    }
  }
  return error instanceof TwoFactorError ? error.code : null;
}

// @ts-expect-error the base class is not thrown by itself
export const base = new TwoFactorError('no');
