// With a queue, the first code of a person who began by another method leaves after the commit. A request in a transaction may not ask for it.
import { describe, expect, it } from 'vitest';

import { DeliveryService } from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { engines, servers } from '../support/engines.js';
import { startApp } from '../support/test-app.js';

describe.each(engines)('The first code of a queue on %s', (engine) => {
  it('leaves after the commit, once', async () => {
    const test = await startApp({
      engine,
      options: { delivery: 'queued', worker: false, methods: METHODS, limits: {} },
    });
    const { subject } = await enrolApp(test, 'ann');
    const token = 'ann@example.com';
    const methods = ['totp', 'code'] as const;
    const { id, delivery } = await test.twoFactor.request({ subject, methods, token });
    expect(delivery).toBeUndefined();

    const asked = await Promise.all([0, 1].map(() => test.twoFactor.resend(id, { token })));

    const deliveries = test.app.get(DeliveryService, { strict: false });
    expect(asked.map((each) => each.delivery)).toEqual(['queued', 'queued']);
    expect(test.inbox.deliveries).toHaveLength(0);
    expect(await deliveries.sweep()).toBe(1);
    expect(await deliveries.sweep()).toBe(0);
    expect(test.inbox.deliveries).toMatchObject([{ token }]);
    expect((await test.confirmer.confirm(id, test.inbox.lastCode))[1]).toBe(true);
    await test.close();
  });
});

// SQLite has one connection, which the transaction holds while the factors are read.
describe.each(servers)('A request in a transaction on %s', (engine) => {
  it('is refused when its key stands for one that began by another method, which it must not change', async () => {
    const test = await startApp({
      engine,
      options: { delivery: 'queued', worker: false, methods: METHODS, limits: {} },
    });
    const { subject } = await enrolApp(test, 'ann');
    const given = {
      subject,
      methods: ['totp', 'code'],
      token: 'ann@example.com',
      idempotencyKey: 'key-of-ann-sixteen',
    } as const;
    const { id } = await test.twoFactor.request(given);

    const repeated = test.dataSource.transaction((manager) =>
      test.twoFactor.request({ ...given, method: 'code', manager }),
    );

    await expect(repeated).rejects.toMatchObject({ code: 'idempotency-key-reused' });
    expect(await test.twoFactor.request({ ...given, method: 'code' })).toMatchObject({
      id,
      delivery: 'queued',
    });
    expect(await test.app.get(DeliveryService, { strict: false }).sweep()).toBe(1);
    expect((await test.confirmer.confirm(id, test.inbox.lastCode))[1]).toBe(true);
    await test.close();
  });
});
