import { Module, type DynamicModule } from '@nestjs/common';

/** What its gateways allow, over all processes together. */
const TEXT_MESSAGES_A_SECOND = 10;

/**
 * Lets the workers of all processes share the sending through Redis, which gets the keys of messages and nothing else. Without
 * Redis each process sends what it was asked for. The packages are imported here, so that only an application with a Redis needs
 * them.
 */
@Module({})
export class SharedWorkersModule {
  static async register(redisUrl: string, hasTextMessages: boolean): Promise<DynamicModule> {
    const { BullModule } = await import('@nestjs/bullmq');
    const { TwoFactorBullMqModule } = await import('nestjs-two-factor/bullmq');
    const senders = {
      email: {},
      ...(hasTextMessages && { sms: { rate: { max: TEXT_MESSAGES_A_SECOND } } }),
    };
    return {
      module: SharedWorkersModule,
      imports: [
        BullModule.forRoot({ connection: { url: redisUrl } }),
        TwoFactorBullMqModule.forRoot({ senders, name: 'sample-bank' }),
      ],
    };
  }
}
