import {
  Injectable,
  Optional,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { TwoFactorEvents, type TwoFactorEvent } from 'nestjs-two-factor';
import type { Subscription } from 'rxjs';
import { DataSource } from 'typeorm';

import { PretendTextMessages, type GatewayCall } from '../inbox/pretend-gateway.js';

/** One call of a provider. */
export interface DeliveryTry {
  /** ISO 8601 */
  readonly at: string;
  /** The gateway; empty for the mail server. */
  readonly by: string;
  readonly isAccepted: boolean;
}

/** A message with a code, and what became of it. It has no code and no whole address. */
export interface LoggedDelivery {
  /** The beginning of the confirmation's id, and the number of the message. */
  readonly id: string;
  readonly purpose: string;
  readonly way: string;
  readonly to: string;
  readonly status: 'waiting' | 'sent' | 'failed' | 'dropped';
  readonly reason: string;
  readonly tries: readonly DeliveryTry[];
  /** ISO 8601; `null` for a message that is not repeated. */
  readonly nextTryAt: string | null;
}

export interface DeliveryList {
  readonly gateways: readonly { readonly name: string; readonly isFailing: boolean }[];
  /** Newest first. */
  readonly deliveries: readonly LoggedDelivery[];
}

interface QueuedRow {
  readonly confirmation: string;
  readonly number: number;
  readonly way: string;
  readonly due_at: number | string | null;
}

const CAPACITY = 50;
const SHORT = 14;

const nameOf = (confirmation: string, number: number): string =>
  `${confirmation.slice(0, SHORT)} ${number}`;

/** Keeps what the events of this process tell about messages, in memory, and adds what waits in the table of the queue. */
@Injectable()
export class DeliveryLogService implements OnApplicationBootstrap, OnApplicationShutdown {
  /** In the order of their first try. */
  readonly #logged = new Map<string, LoggedDelivery>();
  /** Calls of gateways whose outcome for the message is not known yet, by the beginning of the confirmation's id. */
  readonly #calls = new Map<string, DeliveryTry[]>();
  readonly #subscriptions: Subscription[] = [];

  constructor(
    private readonly events: TwoFactorEvents,
    @InjectDataSource() private readonly dataSource: DataSource,
    @Optional() private readonly texts?: PretendTextMessages,
  ) {}

  onApplicationBootstrap(): void {
    this.#subscriptions.push(this.events.subscribe((event) => this.#note(event)));
    for (const { calls } of this.texts?.gateways ?? []) {
      this.#subscriptions.push(calls.subscribe((call) => this.#noteCall(call)));
    }
  }

  onApplicationShutdown(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** @returns whether there is such a gateway. */
  switch(name: string, isFailing: boolean): boolean {
    const gateway = this.texts?.gateways.find((each) => each.name === name);
    if (gateway !== undefined) gateway.isFailing = isFailing;
    return gateway !== undefined;
  }

  async list(): Promise<DeliveryList> {
    const rows: QueuedRow[] = await this.dataSource.query(
      'SELECT confirmation, number, way, due_at FROM two_factor_delivery WHERE due_at IS NOT NULL',
    );
    const waiting = new Map(
      rows.map((row) => [nameOf(row.confirmation, row.number), row] as const),
    );
    const deliveries = [...this.#logged.values()].map((delivery) => {
      const row = waiting.get(delivery.id);
      waiting.delete(delivery.id);
      // A row that is there for a message that was accepted is about to be deleted.
      return row === undefined || delivery.status !== 'waiting'
        ? delivery
        : { ...delivery, nextTryAt: timeOf(row) };
    });
    const untried = [...waiting].map(([id, row]) => ({
      id,
      purpose: '',
      way: row.way,
      to: '',
      status: 'waiting' as const,
      reason: '',
      tries: [],
      nextTryAt: timeOf(row),
    }));
    const gateways = (this.texts?.gateways ?? []).map(({ name, isFailing }) => ({
      name,
      isFailing,
    }));
    return { gateways, deliveries: [...untried, ...deliveries.toReversed()] };
  }

  #noteCall({ gateway, confirmation, isAccepted }: GatewayCall): void {
    const name = confirmation.slice(0, SHORT);
    const call = { at: new Date().toISOString(), by: gateway, isAccepted };
    this.#calls.set(name, [...(this.#calls.get(name) ?? []), call]);
  }

  #note(event: TwoFactorEvent): void {
    switch (event.type) {
      case 'sent':
        this.#log(event, 'sent', '', true);
        break;
      case 'send-failed':
        this.#log(event, 'waiting', '', false);
        break;
      case 'delivery-failed':
        this.#log(event, 'failed', event.reason);
        break;
      case 'delivery-dropped':
        this.#log(event, 'dropped', event.reason);
        break;
    }
  }

  /** @param isAccepted what the provider said, for an event that follows a call. */
  #log(
    event: Extract<TwoFactorEvent, { sends: number }>,
    status: LoggedDelivery['status'],
    reason: string,
    isAccepted?: boolean,
  ): void {
    const { confirmation, sends, purpose, way, recipient, at } = event;
    const id = nameOf(confirmation, sends);
    const name = confirmation.slice(0, SHORT);
    const calls = this.#calls.get(name) ?? [];
    this.#calls.delete(name);
    if (calls.length === 0 && isAccepted !== undefined) {
      calls.push({ at: at.toISOString(), by: '', isAccepted });
    }
    const tries = [...(this.#logged.get(id)?.tries ?? []), ...calls];
    const to = recipient?.masked ?? '';
    this.#logged.set(id, { id, purpose, way, to, status, reason, tries, nextTryAt: null });
    const [oldest] = this.#logged.keys();
    if (this.#logged.size > CAPACITY && oldest !== undefined) this.#logged.delete(oldest);
  }
}

function timeOf({ due_at: dueAt }: QueuedRow): string {
  return new Date(Number(dueAt)).toISOString();
}
