import type { Counter, Histogram, Meter, ObservableGauge } from '@opentelemetry/api';

/** The instruments of this package. Their attributes are names of the configuration and words of this package alone. */
export interface Instruments {
  readonly requests: Counter;
  readonly refusals: Counter;
  readonly budgetsExhausted: Counter;
  readonly deliveries: Counter;
  readonly messageNumber: Histogram;
  readonly sendersBroken: Counter;
  readonly confirmations: Counter;
  readonly attempts: Histogram;
  readonly locks: Counter;
  readonly sprayings: Counter;
  readonly tollFrauds: Counter;
  readonly proofs: Counter;
  readonly factors: Counter;
  readonly queueAge: ObservableGauge;
  readonly passedOver: ObservableGauge;
}

/** Small numbers: there are about five attempts and messages. */
const SMALL_NUMBERS = { advice: { explicitBucketBoundaries: [1, 2, 3, 4, 5, 10] } };

export function createInstruments(meter: Meter): Instruments {
  return {
    requests: meter.createCounter('two_factor.requests', {
      description: 'Confirmations that were made, by purpose.',
    }),
    refusals: meter.createCounter('two_factor.refusals', {
      description: 'Requests, messages and attempts that a limit refused, by kind and limit.',
    }),
    budgetsExhausted: meter.createCounter('two_factor.budgets.exhausted', {
      description: 'Windows whose messages were used up, by limit and class.',
    }),
    deliveries: meter.createCounter('two_factor.deliveries', {
      description: 'What became of messages, by sender, outcome and reason.',
    }),
    messageNumber: meter.createHistogram('two_factor.message.number', {
      description:
        'The number of each accepted message among those of its confirmation, by sender.',
      ...SMALL_NUMBERS,
    }),
    sendersBroken: meter.createCounter('two_factor.senders.broken', {
      description: 'Refusals of this application by a provider, at most one a minute.',
    }),
    confirmations: meter.createCounter('two_factor.confirmations', {
      description: 'Attempts to confirm, by method and outcome.',
    }),
    attempts: meter.createHistogram('two_factor.confirmation.attempts', {
      description: 'The attempts that a confirmation took, by method.',
      ...SMALL_NUMBERS,
    }),
    locks: meter.createCounter('two_factor.locks', {
      description: 'Locks by wrong codes, by scope.',
    }),
    sprayings: meter.createCounter('two_factor.sprayings.suspected', {
      description: 'Windows in which one code was tried on many confirmations.',
    }),
    tollFrauds: meter.createCounter('two_factor.toll_frauds.suspected', {
      description: 'Prefixes of phone numbers whose codes hardly anyone confirms, by country.',
    }),
    proofs: meter.createCounter('two_factor.proofs', {
      description: 'Uses of proofs, by purpose and outcome.',
    }),
    factors: meter.createCounter('two_factor.factors', {
      description: 'Changes of factors, by method and change.',
    }),
    queueAge: meter.createObservableGauge('two_factor.queue.age', {
      description: 'How long the oldest due message has waited for a worker.',
      unit: 's',
    }),
    passedOver: meter.createObservableGauge('two_factor.providers.passed_over', {
      description: 'Whether the failover of a sender passes over a provider: 1 or 0.',
    }),
  };
}
