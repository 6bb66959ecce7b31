import { Module } from '@nestjs/common';

import { CatchAllMailServer } from './catch-all-mail-server.js';
import { InboxController } from './inbox.controller.js';
import { InboxService } from './inbox.service.js';
import { PretendSmsBackend } from './pretend-sms.backend.js';

/** For development alone: it shows everybody's codes to everybody. */
@Module({
  controllers: [InboxController],
  providers: [
    InboxService,
    PretendSmsBackend,
    {
      provide: CatchAllMailServer,
      inject: [InboxService],
      useFactory: (inbox: InboxService) => CatchAllMailServer.listen(inbox),
    },
  ],
  exports: [CatchAllMailServer],
})
export class InboxModule {}
