import { Module, ValidationPipe } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TwoFactorExceptionFilter, TwoFactorModule } from 'nestjs-two-factor';

import { AccountsModule } from './accounts/accounts.module.js';
import { dataSourceOptions } from './database/data-source-options.js';
import { InboxModule } from './inbox/inbox.module.js';
import { OfferController } from './pages/offer.controller.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { settings } from './settings.js';
import { TransfersModule } from './transfers/transfers.module.js';
import { TwoFactorOptionsService } from './two-factor/two-factor-options.service.js';

@Module({
  imports: [
    TypeOrmModule.forRoot(dataSourceOptions(settings)),
    TwoFactorModule.forRootAsync({
      imports: [SessionsModule, ...(settings.hasInbox ? [InboxModule] : [])],
      useClass: TwoFactorOptionsService,
      controller: { path: 'api/v1/auth/2factor' },
    }),
    AccountsModule,
    TransfersModule,
  ],
  controllers: [OfferController],
  providers: [
    // Errors of the two-factor services get the same answers in every controller.
    { provide: APP_FILTER, useClass: TwoFactorExceptionFilter },
    {
      provide: APP_PIPE,
      useValue: new ValidationPipe({
        whitelist: true,
        forbidNonWhitelisted: true,
        transform: true,
        // No answer repeats what was sent: there are passwords in it.
        validationError: { target: false, value: false },
      }),
    },
  ],
})
export class AppModule {}
