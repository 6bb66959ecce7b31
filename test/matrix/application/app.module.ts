import { randomBytes } from 'node:crypto';

import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TwoFactorModule } from 'nestjs-two-factor';
import { phoneNormalizer } from 'nestjs-two-factor/phone';

import { dataSource } from './database.js';
import { TestInbox, OutboxBackend } from './test-inbox.backend.js';
import { TransfersController } from './transfers.controller.js';

@Module({
  imports: [
    TypeOrmModule.forRoot(dataSource()),
    TwoFactorModule.forRoot({
      secret: randomBytes(32).toString('base64'),
      env: false,
      senders: { default: { backend: 'inbox' } },
      purposes: { transfer: { subject: () => 'ann', recipient: () => '+15555550100' } },
      limits: { normalizeToken: phoneNormalizer({ defaultCountry: 'US' }) },
      controller: true,
    }),
  ],
  controllers: [TransfersController],
  providers: [TestInbox, OutboxBackend],
})
export class AppModule {}
