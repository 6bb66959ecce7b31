import { Injectable } from '@nestjs/common';
import { SenderBackend, type Delivery } from 'nestjs-two-factor';

/** What another provider of the application is injected with. */
@Injectable()
export class Outbox {
  readonly sent: { readonly token: string; readonly code: string }[] = [];

  get lastCode(): string {
    return this.sent.at(-1)?.code ?? '';
  }
}

@SenderBackend('outbox', { verboseName: 'Outbox' })
export class OutboxBackend implements SenderBackend {
  constructor(private readonly outbox: Outbox) {}

  async send({ token, code }: Delivery): Promise<void> {
    this.outbox.sent.push({ token, code });
  }
}
