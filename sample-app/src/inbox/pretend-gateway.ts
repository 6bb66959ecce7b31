import { Injectable } from '@nestjs/common';
import { SendFailure } from 'nestjs-two-factor';
import { Subject } from 'rxjs';

import { TextMessages, type TextGateway, type TextMessage } from '../notices/text-messages.js';
import { InboxService } from './inbox.service.js';

/** What a gateway was asked for. */
export interface GatewayCall {
  readonly gateway: string;
  readonly confirmation: string;
  readonly isAccepted: boolean;
}

/** A gateway that writes text messages into the inbox. A switch on the page of the deliveries makes it fail instead. */
export class PretendGateway implements TextGateway {
  isFailing = false;
  readonly calls = new Subject<GatewayCall>();

  constructor(
    readonly name: string,
    private readonly inbox: InboxService,
  ) {}

  async send({ to, text, confirmation }: TextMessage): Promise<void> {
    const isAccepted = !this.isFailing;
    if (confirmation !== undefined) {
      this.calls.next({ gateway: this.name, confirmation, isAccepted });
    }
    if (!isAccepted) throw new SendFailure('transient', 'The gateway is switched off.');
    this.inbox.add({ kind: 'sms', to, subject: '', text });
  }
}

/** Two of them: when the first one fails, the second one delivers. */
@Injectable()
export class PretendTextMessages extends TextMessages {
  override readonly gateways: readonly PretendGateway[];

  constructor(inbox: InboxService) {
    super();
    this.gateways = [new PretendGateway('north', inbox), new PretendGateway('south', inbox)];
  }
}
