import { Injectable } from '@nestjs/common';

import { TextMessages } from '../notices/text-messages.js';
import { InboxService } from './inbox.service.js';

/** Writes text messages into the inbox. */
@Injectable()
export class PretendTextMessages extends TextMessages {
  constructor(private readonly inbox: InboxService) {
    super();
  }

  override async send(to: string, text: string): Promise<void> {
    this.inbox.add({ kind: 'sms', to, subject: '', text });
  }
}
