import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TwoFactorExceptionFilter, TwoFactorModule } from 'nestjs-two-factor';

import { AccountsModule } from './accounts/accounts.module.js';
import { CleanUpService } from './database/clean-up.service.js';
import { dataSourceOptions } from './database/data-source-options.js';
import { BodyPipe } from './http/body.pipe.js';
import { ProblemFilter } from './http/problem.filter.js';
import { DeliveriesModule } from './deliveries/deliveries.module.js';
import { SharedWorkersModule } from './deliveries/shared-workers.js';
import { MailModule } from './mail/mail.module.js';
import { FactorChangesInterceptor } from './notices/factor-changes.interceptor.js';
import { NoticesModule } from './notices/notices.module.js';
import { OfferController } from './pages/offer.controller.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { SettingsModule, type Settings } from './settings.js';
import { SignInModule } from './sign-in/sign-in.module.js';
import { TransfersModule } from './transfers/transfers.module.js';
import { CodeCountInterceptor } from './two-factor/code-count.interceptor.js';
import { TwoFactorOptionsService } from './two-factor/two-factor-options.service.js';

@Module({
  controllers: [OfferController],
  providers: [
    CleanUpService,
    // The filter that takes everything comes first: Nest asks the later, more specific one before it.
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_FILTER, useClass: TwoFactorExceptionFilter },
    { provide: APP_PIPE, useClass: BodyPipe },
    { provide: APP_INTERCEPTOR, useClass: FactorChangesInterceptor },
  ],
})
export class AppModule {
  static register(settings: Settings): DynamicModule {
    const { redisUrl, hasInbox } = settings;
    const mail = MailModule.register(settings);
    return {
      module: AppModule,
      imports: [
        SettingsModule.register(settings),
        TypeOrmModule.forRoot(dataSourceOptions(settings)),
        mail,
        TwoFactorModule.forRootAsync({
          imports: [SessionsModule, mail],
          useClass: TwoFactorOptionsService,
          controller: { path: 'api/v1/auth/2factor', interceptors: [CodeCountInterceptor] },
        }),
        ...(redisUrl === undefined ? [] : [SharedWorkersModule.register(redisUrl, hasInbox)]),
        ...(settings.isDevelopment ? [DeliveriesModule.register(settings)] : []),
        SessionsModule,
        NoticesModule.register(mail),
        AccountsModule,
        SignInModule,
        TransfersModule,
      ],
    };
  }
}
