import { Injectable } from '@nestjs/common';
import { SenderBackend, type Delivery } from 'nestjs-two-factor';

/** What another provider of the application is injected with. */
@Injectable()
export class TestInbox {
  readonly sent: { readonly token: string; readonly code: string }[] = [];

  get lastCode(): string {
    return this.sent.at(-1)?.code ?? '';
  }
}

@SenderBackend('inbox', { verboseName: 'TestInbox' })
export class OutboxBackend implements SenderBackend {
  constructor(private readonly inbox: TestInbox) {}

  async send({ token, code }: Delivery): Promise<void> {
    this.inbox.sent.push({ token, code });
  }
}
