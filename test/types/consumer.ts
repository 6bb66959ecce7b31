/**
 * The public API as an application writes it. Never run: `npm run typecheck` compiles it, and what is expected to be an
 * error must be one.
 */
import { Controller, Injectable, Module, Post, type ExecutionContext } from '@nestjs/common';
import {
  Confirmation,
  ConfirmationProof,
  ConfirmationState,
  ConfirmerService,
  defineSender,
  digits,
  functionalSenderBackend,
  InjectSenderBackends,
  letters,
  LoggerBackend,
  RequireConfirmation,
  SENDER_BACKENDS,
  SenderBackend,
  SenderService,
  TWO_FACTOR_ENTITIES,
  TwoFactorCodeMismatchError,
  TwoFactorError,
  twoFactorMigrations,
  TwoFactorModule,
  TwoFactorSendError,
  TwoFactorService,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  type AutoPurgeOptions,
  type Clock,
  type CodeGenerator,
  type ConfirmationReference,
  type ConfirmationResult,
  type ConfirmationStatus,
  type ControllerOptions,
  type Delivery,
  type JsonValue,
  type MakeConfirmationInput,
  type ProofBinding,
  type PurgeInput,
  type PurposeDefinition,
  type ResolvedSender,
  type SendFunction,
  type SendContext,
  type SenderBackendFactory,
  type SenderBackendFactoryInput,
  type SenderBackendReference,
  type SenderBackends,
  type SenderDefinition,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
  type TwoFactorOptions,
  type TwoFactorOptionsFactory,
  type TwoFactorRequest,
  type TwoFactorRequestInput,
  type TwoFactorStateCode,
  type UseInput,
} from 'nestjs-two-factor';
import {
  emailBackend,
  type EmailMessage,
  type EmailOptions,
} from 'nestjs-two-factor/backends/email';
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
import * as nodeTest from 'node:test';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import type { DataSource, DataSourceOptions } from 'typeorm';
import * as vitest from 'vitest';

/** Whether both types are the same, `any` told apart from all others. */
// oxlint-disable typescript/no-unnecessary-type-parameters
type Same<One, Other> =
  (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
// oxlint-enable typescript/no-unnecessary-type-parameters

function same<One, Other>(answer: Same<One, Other>): boolean {
  return answer;
}

// Backends ------------------------------------------------------------------------------------------------------------

interface SmsOptions {
  readonly from: string;
  readonly retries?: number | undefined;
}

@SenderBackend('sms', { verboseName: 'Text message' })
class SmsBackend implements SenderBackend<SmsOptions> {
  async send({ token, code, options, context, signal }: Delivery<SmsOptions>): Promise<void> {
    const locale: JsonValue | undefined = context['locale'];
    await fetch('https://sms.example', {
      method: 'POST',
      body: JSON.stringify([options.from, `${token}: ${code}`, locale]),
      signal,
    });
  }
}

@SenderBackend('plain')
class PlainBackend implements SenderBackend {
  send({ state }: Delivery): void {
    same<typeof state, ConfirmationState>(true);
  }
}

@SenderBackend('unnamed', { verboseName: undefined })
export class UnnamedBackend implements SenderBackend {
  send(): void {}
}

// @ts-expect-error a backend sends
export class Mute implements SenderBackend {
  post(): void {}
}

export class Wrong implements SenderBackend<SmsOptions> {
  // @ts-expect-error a backend takes its own options
  send(_delivery: Delivery<{ readonly topic: number }>): void {}
}

const factory: SenderBackendFactory<SmsOptions> = ({ name, options, verboseName }) => {
  same<typeof options, SmsOptions>(true);
  return ({ token }) => `${name} ${verboseName} ${options.from} ${token}`;
};
const asyncFactory =
  async (input: SenderBackendFactoryInput<SmsOptions>): Promise<SendFunction<SmsOptions>> =>
  async ({ options }) =>
    `${options.from} ${input.name}`;
const functional = functionalSenderBackend<SmsOptions>(({ options }) => options.from);
export const anyFunction = functionalSenderBackend(({ options }) =>
  same<typeof options, unknown>(true),
);
export const references: SenderBackendReference<SmsOptions>[] = [
  'sms',
  SmsBackend,
  factory,
  asyncFactory,
];

// defineSender --------------------------------------------------------------------------------------------------------

export const senders = {
  class: defineSender(SmsBackend, { options: { from: 'ACME' } }),
  full: defineSender(SmsBackend, {
    options: { from: 'ACME', retries: undefined },
    verboseName: undefined,
  }),
  factory: defineSender(factory, { options: { from: 'ACME' }, verboseName: 'Phone' }),
  asyncFactory: defineSender(asyncFactory, { options: { from: 'ACME', retries: 2 } }),
  functional: defineSender(functional, { options: { from: 'ACME' } }),
  untyped: defineSender(PlainBackend, { options: undefined }),
  email: defineSender(emailBackend, {
    options: {
      transport: 'smtp://localhost',
      from: 'a@b.example',
      product: undefined,
      compose: undefined,
    },
  }),
  named: { backend: 'sms', options: { anything: true } },
  bare: { backend: PlainBackend },
  explicit: { backend: SmsBackend, options: undefined, verboseName: undefined },
  log: { backend: LoggerBackend },
  inline: { backend: () => () => undefined },
} satisfies Record<string, SenderDefinition>;

// @ts-expect-error the option `from` is missing
defineSender(SmsBackend, { options: {} });
// @ts-expect-error the option `from` is of another type
defineSender(SmsBackend, { options: { from: 5 } });
// @ts-expect-error the options are missing
defineSender(SmsBackend, {});
// @ts-expect-error there is no option `form`
defineSender(SmsBackend, { options: { from: 'ACME', form: 'ACME' } });
// @ts-expect-error there is no option `form`
defineSender(factory, { options: { from: 'ACME', form: 'ACME' } });
// @ts-expect-error the option `from` is missing
defineSender(asyncFactory, { options: { retries: 1 } });
// @ts-expect-error the option `from` is missing
defineSender(functional, { options: {} });
// @ts-expect-error the option `from` is missing
defineSender(emailBackend, { options: { transport: 'smtp://localhost' } });
// @ts-expect-error a name has no options to be checked
defineSender('sms', { options: {} });
// @ts-expect-error an instance is no backend
export const instance: SenderDefinition = { backend: new PlainBackend() };
// @ts-expect-error a sender needs a backend
export const backendless: SenderDefinition = { verboseName: 'Nothing' };

export const message = ({ code }: Delivery<EmailOptions>): EmailMessage => ({
  subject: 'Code',
  text: code,
  html: undefined,
});

// Options -------------------------------------------------------------------------------------------------------------

const clock: Clock = { now: () => 0 };
const generators: CodeGenerator[] = [digits(8), letters(), () => '123456', async () => '123456'];
const autoPurge: AutoPurgeOptions = { everySeconds: undefined, keepSeconds: undefined };
const purposes: Record<string, PurposeDefinition> = {
  open: {},
  'sign-up': {
    open: true,
    senders: ['email'],
    details: (context) => ({ of: userOf(context)!.id }),
  },
  'change-phone': { subject: (context) => userOf(context)?.id, recipient: 'client' },
  absent: { subject: undefined, recipient: undefined, ttlSeconds: undefined },
  transfer: {
    subject: (context: ExecutionContext) => userOf(context)?.id,
    recipient: async (context, way) => (way === 'sms' ? userOf(context)?.phone : null),
    ttlSeconds: 60,
  },
};

function userOf(
  context: ExecutionContext,
): { readonly id: string; readonly phone: string } | undefined {
  return context.switchToHttp().getRequest<{ user?: { id: string; phone: string } }>().user;
}

/** Everything that may be absent, said to be absent. */
export const allUndefined = {
  secret: undefined,
  secrets: undefined,
  application: undefined,
  senders: undefined,
  defaultSender: undefined,
  codeGenerator: undefined,
  debugCodeResponse: undefined,
  purposes: undefined,
  ttlSeconds: undefined,
  useWithinSeconds: undefined,
  maxAttempts: undefined,
  maxSends: undefined,
  cooldownSeconds: undefined,
  resend: undefined,
  autoPurge: undefined,
  limits: undefined,
  databaseTimeoutMs: undefined,
  sendTimeoutMs: undefined,
  preparedStatements: undefined,
  batching: undefined,
  clock: undefined,
  env: undefined,
} satisfies TwoFactorModuleOptions satisfies Record<keyof TwoFactorOptions, undefined>;

const noExtras = {
  isGlobal: undefined,
  controller: undefined,
  dataSource: undefined,
  limitStore: undefined,
  senderBackends: undefined,
} satisfies TwoFactorModuleExtras satisfies Record<keyof TwoFactorModuleExtras, undefined>;

const controller: ControllerOptions = {
  path: undefined,
  guards: undefined,
  interceptors: undefined,
  decorators: undefined,
};

const everything: TwoFactorModuleOptions = {
  secrets: ['text', new Uint8Array(32), Buffer.alloc(32)],
  senders,
  defaultSender: 'class',
  codeGenerator: generators[0],
  debugCodeResponse: false,
  purposes,
  ttlSeconds: 600,
  useWithinSeconds: 300,
  maxAttempts: 5,
  maxSends: 5,
  cooldownSeconds: [30, 60] as const,
  resend: 'rotate',
  autoPurge,
  databaseTimeoutMs: 5_000,
  sendTimeoutMs: 10_000,
  preparedStatements: true,
  batching: { maxSize: 64 },
  clock,
  env: true,
};

// @ts-expect-error there is no such option
export const misspelt: TwoFactorModuleOptions = { maxAttemps: 5 };
// @ts-expect-error a number is needed
export const text: TwoFactorModuleOptions = { maxAttempts: '5' };
// @ts-expect-error `true` would say neither how often nor how long
export const purgeTrue: TwoFactorModuleOptions = { autoPurge: true };
// @ts-expect-error there are two ways to resend
export const resendNever: TwoFactorModuleOptions = { resend: 'never' };
// @ts-expect-error a generator answers text
export const numbers: TwoFactorModuleOptions = { codeGenerator: () => 123_456 };
// @ts-expect-error options are read-only
everything.maxAttempts = 6;

class OptionsFactory implements TwoFactorOptionsFactory {
  async createTwoFactorOptions(): Promise<TwoFactorModuleOptions> {
    return everything;
  }
}

@Module({
  imports: [
    TwoFactorModule.forRoot({}),
    TwoFactorModule.forRoot({ ...allUndefined, ...noExtras }),
    TwoFactorModule.forRoot({
      ...everything,
      isGlobal: false,
      controller: true,
      dataSource: 'second',
    }),
    TwoFactorModule.forRoot({
      controller,
      senderBackends: { provide: SENDER_BACKENDS, useValue: new Map<string, ResolvedSender>() },
    }),
    TwoFactorModule.forRootAsync({ useFactory: () => everything }),
    TwoFactorModule.forRootAsync({
      ...noExtras,
      imports: [],
      inject: ['config'],
      useFactory: async (config: { secret: string }) => ({ ...everything, secret: config.secret }),
    }),
    TwoFactorModule.forRootAsync({ useClass: OptionsFactory, controller: { path: 'codes' } }),
    TwoFactorModule.forRootAsync({ useExisting: OptionsFactory, isGlobal: false }),
  ],
})
export class AppModule {}

// @ts-expect-error a factory makes options
TwoFactorModule.forRootAsync({ useFactory: () => ({ maxAttempts: '5' }) });
class NoFactory {}
// @ts-expect-error a class makes options by createTwoFactorOptions
TwoFactorModule.forRootAsync({ useClass: NoFactory });

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

  async request(): Promise<TwoFactorRequest> {
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
    // @ts-expect-error a message is never sent inside a transaction
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
        return code;
      default:
        return code satisfies never;
    }
  }
  return error instanceof TwoFactorError ? error.code : null;
}

// @ts-expect-error the base class is not thrown by itself
export const base = new TwoFactorError('no');
