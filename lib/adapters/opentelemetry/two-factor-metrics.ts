import {
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Attributes, Meter, ObservableResult } from '@opentelemetry/api';

import type { DeliveryService } from '../../delivery/index.js';
import { messageOf } from '../../errors/index.js';
import type { ConfirmationEventBase, TwoFactorEvent, TwoFactorEvents } from '../../events/index.js';
import type { ResolvedOptions } from '../../options/index.js';
import type { SenderBackends } from '../../sender/index.js';
import { createInstruments, type Instruments } from './instruments.js';

/** What stands for a name that the options do not declare: a caller could choose it, and each would be a series of its own. */
const OTHER = 'other';

/** What the metrics need. */
export interface MetricsInput {
  readonly meter: Meter;
  readonly events: TwoFactorEvents;
  readonly deliveries: DeliveryService;
  readonly backends: SenderBackends;
  readonly options: Pick<ResolvedOptions, 'delivery' | 'purposes'>;
}

/**
 * Counts the events of this instance. An attribute holds a name of the options or a word of this package: never a subject, a token, an
 * id, or another text that a caller chooses.
 */
export class TwoFactorMetrics implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Logger('TwoFactorMetrics');
  readonly #instruments: Instruments;
  #isQueueAgeKnown = true;

  constructor(private readonly input: MetricsInput) {
    this.#instruments = createInstruments(input.meter);
    input.events.subscribe((event) => this.#count(event));
  }

  onApplicationBootstrap(): void {
    const { queueAge, passedOver } = this.#instruments;
    if (this.input.options.delivery === 'queued') queueAge.addCallback(this.#observeQueueAge);
    passedOver.addCallback(this.#observeProviders);
  }

  /** The database is closed afterwards. */
  beforeApplicationShutdown(): void {
    const { queueAge, passedOver } = this.#instruments;
    queueAge.removeCallback(this.#observeQueueAge);
    passedOver.removeCallback(this.#observeProviders);
  }

  readonly #observeQueueAge = async (result: ObservableResult): Promise<void> => {
    try {
      const seconds = await this.input.deliveries.queueAge();
      if (seconds !== null) result.observe(seconds);
      this.#isQueueAgeKnown = true;
    } catch (error) {
      // Logged once for each outage, because it is repeated at each collection.
      if (this.#isQueueAgeKnown) {
        this.#logger.warn(`The age of the queue was not read: ${messageOf(error)}`);
      }
      this.#isQueueAgeKnown = false;
    }
  };

  readonly #observeProviders = (result: ObservableResult): void => {
    for (const { name: sender, send } of this.input.backends.values()) {
      for (const { name: provider, isPassedOver } of send.providers?.() ?? []) {
        result.observe(isPassedOver ? 1 : 0, { sender, provider });
      }
    }
  };

  #count(event: TwoFactorEvent): void {
    const {
      requests,
      refusals,
      budgetsExhausted,
      sendersBroken,
      confirmations,
      attempts,
      locks,
      sprayings,
      tollFrauds,
      proofs,
    } = this.#instruments;
    switch (event.type) {
      case 'created':
        requests.add(1, this.#purposeOf(event));
        return;
      case 'send-blocked':
        refusals.add(1, { kind: 'send', limit: event.limit });
        return;
      case 'attempt-blocked':
        refusals.add(1, { kind: 'attempt', limit: event.limit });
        confirmations.add(1, { method: event.method, outcome: 'blocked' });
        return;
      case 'attempt-failed':
        confirmations.add(1, { method: event.method, outcome: 'mismatched' });
        return;
      case 'confirmed':
        confirmations.add(1, { method: event.by, outcome: 'confirmed' });
        attempts.record(event.attempts, { method: event.by });
        return;
      case 'locked':
        locks.add(1, { scope: event.scope });
        return;
      case 'budget-exhausted':
        budgetsExhausted.add(1, { limit: event.limit, class: event.limitClass });
        return;
      case 'sender-broken':
        sendersBroken.add(1, { ...this.#senderOf(event), provider: event.provider });
        return;
      case 'spraying-suspected':
        sprayings.add(1);
        return;
      case 'toll-fraud-suspected':
        // Without the prefix: there are thousands of them.
        tollFrauds.add(1, { country: event.country, class: event.limitClass });
        return;
      case 'used':
      case 'reuse-refused':
        proofs.add(1, { ...this.#purposeOf(event), outcome: event.type });
        return;
      case 'sent':
      case 'test-recipient-used':
      case 'send-failed':
      case 'delivery-failed':
      case 'delivery-dropped':
        this.#countDelivery(event);
        return;
      default:
        this.#instruments.factors.add(1, { method: event.method, change: event.type });
    }
  }

  #countDelivery(event: DeliveryEvent): void {
    const { deliveries, messageNumber } = this.#instruments;
    const sender = this.#senderOf(event);
    if (event.type === 'sent') messageNumber.record(event.sends, sender);
    deliveries.add(1, { ...sender, ...outcomeOf(event) });
  }

  #purposeOf({ purpose }: Pick<ConfirmationEventBase, 'purpose'>): Attributes {
    return { purpose: this.input.options.purposes.has(purpose) ? purpose : OTHER };
  }

  #senderOf({ way }: Pick<ConfirmationEventBase, 'way'>): Attributes {
    return { sender: this.input.backends.has(way) ? way : OTHER };
  }
}

type DeliveryEvent = Extract<
  TwoFactorEvent,
  {
    type: 'delivery-dropped' | 'delivery-failed' | 'send-failed' | 'sent' | 'test-recipient-used';
  }
>;

function outcomeOf(event: DeliveryEvent): Attributes {
  switch (event.type) {
    case 'delivery-failed':
      return { outcome: 'given-up', reason: event.reason };
    case 'delivery-dropped':
      return { outcome: 'dropped', reason: event.reason };
    case 'send-failed':
      return { outcome: event.isPermanent ? 'recipient-refused' : 'call-failed' };
    case 'sent':
    case 'test-recipient-used':
      return { outcome: event.type === 'sent' ? 'sent' : 'test-recipient' };
    default:
      return event satisfies never;
  }
}
