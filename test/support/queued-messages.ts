import { DeliveryService } from '../../lib/index.js';
import type { EngineName } from './engines.js';
import { startApp, type TestApp } from './test-app.js';

interface QueuedRow {
  readonly confirmation: string;
  readonly number: number;
  readonly due_at: string | number | null;
  readonly claims: number;
  readonly tries: number;
  readonly is_charged: number;
  readonly reason: string | null;
}

/** An application that queues its messages. It has a worker only when a test asks for one: all other tests say when a message leaves. */
export const startQueued = (engine: EngineName, more: object = {}): Promise<TestApp> =>
  startApp({ engine, options: { delivery: 'queued', worker: false, ...more } });

export const rowsOf = (test: TestApp): Promise<QueuedRow[]> =>
  test.dataSource.query('SELECT * FROM two_factor_delivery ORDER BY confirmation, number');

export const deliveriesOf = (test: TestApp): DeliveryService =>
  test.app.get(DeliveryService, { strict: false });
