import { Module, type DynamicModule } from '@nestjs/common';

import { InboxModule } from '../inbox/inbox.module.js';
import type { Settings } from '../settings.js';
import { DeliveriesController } from './deliveries.controller.js';
import { DeliveryLogService } from './delivery-log.service.js';

/** For development only: what became of each message, and a switch that makes a gateway fail. */
@Module({})
export class DeliveriesModule {
  static register({ hasInbox }: Settings): DynamicModule {
    return {
      module: DeliveriesModule,
      // The gateways that can be switched off are those of the inbox.
      imports: hasInbox ? [InboxModule] : [],
      controllers: [DeliveriesController],
      providers: [DeliveryLogService],
    };
  }
}
