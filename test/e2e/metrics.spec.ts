// Metrics must tell an operator what happens, and a reader of metrics nothing about a person.
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';

import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type DataPoint,
  type Histogram,
} from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { TwoFactorMetricsModule } from '../../lib/adapters/opentelemetry/index.js';
import { failoverBackend } from '../../lib/backends/failover/index.js';
import {
  defineSender,
  DeliveryService,
  functionalSenderBackend,
  SendFailure,
  TwoFactorRecipientError,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startApp, type TestApp } from '../support/test-app.js';

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
const provider = new MeterProvider({ readers: [reader] });

interface Point {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: number;
}

async function collect(): Promise<Point[]> {
  exporter.reset();
  await reader.forceFlush();
  return exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .flatMap(({ descriptor: { name, unit }, dataPoints }) =>
      (dataPoints as DataPoint<number | Histogram>[]).map(({ attributes, value }) => ({
        name,
        unit,
        attributes,
        value: typeof value === 'number' ? value : value.count,
      })),
    );
}

function valueOf(points: readonly Point[], name: string, attributes: object): number {
  const found = points.find(
    (point) => point.name === name && isDeepStrictEqual(point.attributes, attributes),
  );
  return found?.value ?? 0;
}

describe('Metrics', () => {
  let test: TestApp;
  let deliveries: DeliveryService;

  beforeAll(async () => {
    metrics.setGlobalMeterProvider(provider);
    test = await startApp({
      imports: [TwoFactorMetricsModule.forRoot()],
      options: {
        delivery: 'queued',
        worker: false,
        purposes: { login: {} },
        maxAttempts: 3,
      },
    });
    deliveries = test.app.get(DeliveryService, { strict: false });
  });
  afterAll(async () => {
    await test.close();
    metrics.disable();
    await provider.shutdown();
  });

  it('count each step from the request to the use of a proof by purpose, sender, method and outcome', async () => {
    const login = { token: 'ann@example.com', subject: 'ann', purpose: 'login' };
    const { id } = await test.twoFactor.request(login);
    test.inbox.failNext(new Error('The provider does not answer.'));
    await deliveries.sweep();
    test.clock.advance(30);
    await deliveries.sweep();
    await test.confirmer.confirm(id, WRONG_CODE);
    await test.confirmer.confirm(id, test.inbox.lastCode);
    await test.confirmer.use(id, { subject: 'ann', purpose: 'login' });
    await test.confirmer.use(id, { subject: 'ann', purpose: 'login' });
    const points = await collect();
    const count = (name: string, attributes: object): number => valueOf(points, name, attributes);

    expect(count('two_factor.requests', { purpose: 'login' })).toBe(1);
    expect(count('two_factor.deliveries', { sender: 'default', outcome: 'call-failed' })).toBe(1);
    expect(count('two_factor.deliveries', { sender: 'default', outcome: 'sent' })).toBe(1);
    expect(count('two_factor.message.number', { sender: 'default' })).toBe(1);
    expect(count('two_factor.confirmations', { method: 'code', outcome: 'mismatched' })).toBe(1);
    expect(count('two_factor.confirmations', { method: 'code', outcome: 'confirmed' })).toBe(1);
    expect(count('two_factor.confirmation.attempts', { method: 'code' })).toBe(1);
    expect(count('two_factor.proofs', { purpose: 'login', outcome: 'used' })).toBe(1);
    expect(count('two_factor.proofs', { purpose: 'login', outcome: 'reuse-refused' })).toBe(1);
  });

  it('count what failed, what was dropped and what a limit refused', async () => {
    const lost = await test.twoFactor.request({ token: 'eve@example.com' });
    test.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    await deliveries.sweep();
    const dropped = await test.twoFactor.request({ token: 'bob@example.com', subject: 'bob' });
    await test.confirmer.cancel(dropped.id);
    await deliveries.sweep();
    await expect(test.twoFactor.resend(lost.id)).rejects.toThrow('can be sent again');
    const locked = await test.twoFactor.request({ token: 'joe@example.com', subject: 'joe' });
    for (let guess = 0; guess < 3; guess += 1) await test.confirmer.confirm(locked.id, WRONG_CODE);
    const points = await collect();
    const outcome = (attributes: object): number =>
      valueOf(points, 'two_factor.deliveries', { sender: 'default', ...attributes });

    expect(outcome({ outcome: 'recipient-refused' })).toBe(1);
    expect(outcome({ outcome: 'given-up', reason: 'recipient-not-allowed' })).toBe(1);
    expect(outcome({ outcome: 'dropped', reason: 'cancelled' })).toBe(1);
    expect(valueOf(points, 'two_factor.refusals', { kind: 'send', limit: 'cooldown' })).toBe(1);
    expect(valueOf(points, 'two_factor.locks', { scope: 'confirmation' })).toBe(1);
  });

  it('observe how long the oldest due message has waited', async () => {
    await deliveries.sweep();
    expect(valueOf(await collect(), 'two_factor.queue.age', {})).toBe(0);
    await test.twoFactor.request({ token: 'max@example.com' });
    test.clock.advance(42);

    expect(valueOf(await collect(), 'two_factor.queue.age', {})).toBe(42);
    expect(await deliveries.queueAge()).toBe(42);
    await deliveries.sweep();
  });

  it('have no subject, no token, no id and no text of a caller in an attribute', async () => {
    const made = await test.twoFactor.request({
      token: 'secret-token@example.com',
      subject: 'secret-subject',
      purpose: 'secret-purpose-of-a-caller',
    });
    await deliveries.sweep();
    await test.confirmer.confirm(made.id, test.inbox.lastCode);
    const points = await collect();
    const dump = JSON.stringify(points);

    expect(valueOf(points, 'two_factor.requests', { purpose: 'other' })).toBeGreaterThan(0);
    for (const text of ['secret', 'example', 'ann', made.id.slice(0, 8), test.inbox.lastCode]) {
      expect(dump).not.toContain(text);
    }
  });

  it('have every name of the dashboard, and the dashboard every name of theirs', async () => {
    const file = await readFile('docs/grafana-dashboard.json', 'utf8');
    const used = new Set(
      (file.match(/two_factor_[a-z_]+/g) ?? []).map((name) => name.replace(/_bucket$/, '')),
    );
    const source = await readFile('lib/adapters/opentelemetry/instruments.ts', 'utf8');
    // The names as the exporter for Prometheus writes them.
    const written = [...source.matchAll(/create(\w+)\('(two_factor[\w.]+)'/g)].map(
      ([, kind, name]) => {
        const suffix = { Counter: '_total', Histogram: '', ObservableGauge: '' }[kind!];
        const unit = name === 'two_factor.queue.age' ? '_seconds' : '';
        return `${name!.replaceAll('.', '_')}${unit}${suffix}`;
      },
    );

    expect(written.length).toBe(15);
    expect([...used].toSorted()).toEqual(written.toSorted());
    expect((await collect()).find(({ name }) => name === 'two_factor.queue.age')?.unit).toBe('s');
    expect(() => JSON.parse(file) as unknown).not.toThrow();
  });

  it('say whether a failover passes over a provider, and stop reading when the application stops', async () => {
    const down = functionalSenderBackend(() => {
      throw new SendFailure('ours', 'The account is suspended.', { concernsAll: true });
    });
    const app = await startApp({
      imports: [TwoFactorMetricsModule.forRoot()],
      options: {
        delivery: 'queued',
        worker: false,
        senders: {
          default: defineSender(failoverBackend, {
            options: {
              senders: { first: { backend: down }, second: { backend: () => () => undefined } },
            },
          }),
        },
      },
    });
    for (const name of ['ann', 'bob', 'eve']) {
      await app.twoFactor.request({ token: `${name}@${name}.example` });
    }
    await app.app.get(DeliveryService, { strict: false }).sweep();
    const open = await collect();
    await app.close();

    const of = (provider: string): object => ({ sender: 'default', provider });
    expect(valueOf(open, 'two_factor.providers.passed_over', of('first'))).toBe(1);
    expect(valueOf(open, 'two_factor.providers.passed_over', of('second'))).toBe(0);
    expect(valueOf(open, 'two_factor.senders.broken', of('first'))).toBe(1);
    // The application that still runs is read, and the one that has stopped is not.
    const reads = vi.spyOn(DeliveryService.prototype, 'queueAge');
    await collect();
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
  });

  it('fail the boot with the command to install it when their package is missing', async () => {
    vi.doMock('@opentelemetry/api', () => {
      throw new Error("Cannot find package '@opentelemetry/api'");
    });
    try {
      await expect(startApp({ imports: [TwoFactorMetricsModule.forRoot()] })).rejects.toThrow(
        'TwoFactorMetricsModule needs the package @opentelemetry/api: install it with "npm install @opentelemetry/api".',
      );
    } finally {
      vi.doUnmock('@opentelemetry/api');
    }
  });
});
