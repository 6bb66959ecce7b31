import { Injectable } from '@nestjs/common';

export interface InboxMessage {
  readonly kind: 'email' | 'sms';
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** ISO 8601 */
  readonly receivedAt: string;
}

const CAPACITY = 100;

/** The latest messages, newest first. They are kept in memory only, because there are codes in them. */
@Injectable()
export class InboxService {
  readonly #messages: InboxMessage[] = [];

  add(message: Omit<InboxMessage, 'receivedAt'>): void {
    this.#messages.unshift({ ...message, receivedAt: new Date().toISOString() });
    this.#messages.length = Math.min(this.#messages.length, CAPACITY);
  }

  list(): readonly InboxMessage[] {
    return this.#messages;
  }
}
