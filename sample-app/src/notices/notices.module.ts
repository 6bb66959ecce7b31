import { Global, Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { FactorChange } from './factor-change.entity.js';
import { FactorNoticesService } from './factor-notices.service.js';
import { Notice } from './notice.entity.js';
import { NoticeService } from './notice.service.js';

/** Every part of the bank that changes an account tells its owner, so that the notices are injectable everywhere. */
@Global()
@Module({})
export class NoticesModule {
  /** @param mail the module that has the mail transport and, if there is one, the sender of text messages. */
  static register(mail: DynamicModule): DynamicModule {
    return {
      module: NoticesModule,
      imports: [TypeOrmModule.forFeature([Notice, FactorChange]), mail],
      providers: [NoticeService, FactorNoticesService],
      exports: [NoticeService, FactorNoticesService],
    };
  }
}
