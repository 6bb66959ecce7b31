import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TwoFactorModule, twoFactorMigrations } from 'nestjs-two-factor';
import { phoneTokens } from 'nestjs-two-factor/phone';

import { Outbox, OutboxBackend } from './outbox.backend.js';
import { TransfersController } from './transfers.controller.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'sqljs',
      autoLoadEntities: true,
      migrations: [...twoFactorMigrations],
      migrationsRun: true,
    }),
    TwoFactorModule.forRoot({
      secret: 'kq3Wm9vXz7Rb1TnYc5Hd8Jf2Lg6Ps0AeUiOyKt4Q',
      env: false,
      senders: { default: { backend: 'outbox' } },
      purposes: { transfer: { subject: () => 'ann', recipient: () => '+15555550100' } },
      limits: { normalizeToken: phoneTokens({ defaultCountry: 'US' }) },
      controller: true,
    }),
  ],
  controllers: [TransfersController],
  providers: [Outbox, OutboxBackend],
})
export class AppModule {}
