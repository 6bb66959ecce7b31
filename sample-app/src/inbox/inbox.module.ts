import { Module } from '@nestjs/common';

import { TextMessages } from '../notices/text-messages.js';
import { CatchAllMailServer } from './catch-all-mail-server.js';
import { InboxController } from './inbox.controller.js';
import { InboxService } from './inbox.service.js';
import { PretendTextMessages } from './pretend-gateway.js';

/** For development only: it shows the codes of all customers to every visitor. */
@Module({
  controllers: [InboxController],
  providers: [
    InboxService,
    PretendTextMessages,
    { provide: TextMessages, useExisting: PretendTextMessages },
    {
      provide: CatchAllMailServer,
      inject: [InboxService],
      useFactory: (inbox: InboxService) => CatchAllMailServer.listen(inbox),
    },
  ],
  exports: [CatchAllMailServer, TextMessages, PretendTextMessages],
})
export class InboxModule {}
