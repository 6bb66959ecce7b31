import { randomBytes } from 'node:crypto';

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
      secret: randomBytes(32).toString('base64'),
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
