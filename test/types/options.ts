/** Options of the module as an application writes them: what must compile, and what must not. Never run. */
import { Module, type ExecutionContext } from '@nestjs/common';
import {
  digits,
  letters,
  SENDER_BACKENDS,
  TwoFactorModule,
  type AutoPurgeOptions,
  type Clock,
  type CodeGenerator,
  type ControllerOptions,
  type PurposeDefinition,
  type ResolvedSender,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
  type TwoFactorOptions,
  type TwoFactorOptionsFactory,
} from 'nestjs-two-factor';

import { senders } from './senders.js';

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

/** Every member that may be absent, given as absent. */
export const allUndefined = {
  secret: undefined,
  secrets: undefined,
  application: undefined,
  senders: undefined,
  defaultSender: undefined,
  codeGenerator: undefined,
  debugCodeResponse: undefined,
  messages: undefined,
  methods: undefined,
  purposes: undefined,
  testRecipients: undefined,
  allowTestRecipientsInProduction: undefined,
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
  delivery: undefined,
  worker: undefined,
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
  messageRenderer: undefined,
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
