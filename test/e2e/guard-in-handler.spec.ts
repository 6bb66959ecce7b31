import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { guardedCaller, purposes, TransferController } from './guarded-routes.js';

describe.each(adapters)(
  'A guarded route that uses its proof in its handler on $name',
  ({ create }) => {
    let app: HttpTestApp;
    const { prove, call, isUsable } = guardedCaller(() => app);

    beforeAll(async () => {
      app = await startHttpApp({
        adapter: create(),
        options: { purposes, controller: true },
        controllers: [TransferController],
      });
    });
    afterAll(() => app.close());

    it('gives the handler the proof, which the handler uses itself', async () => {
      const id = await prove();
      expect(await call('transfers/handler/using', id)).toMatchObject({
        status: 200,
        body: { id, subject: 'ann', spent: [false, true] },
      });
    });

    it.each(['forgetting', 'silent'])(
      'has spent the proof before the answer of a %s handler',
      async (name) => {
        const id = await prove();
        expect(await call(`transfers/handler/${name}`, id)).toMatchObject({ status: 200 });
        expect(await app.row(id)).toMatchObject({ usedAt: app.clock.now() });
      },
    );

    it('does not run a handler that forgets its proof a second time with the same proof', async () => {
      const id = await prove();
      await call('transfers/handler/forgetting', id);
      const runs = TransferController.runs.length;
      await call('transfers/handler/forgetting', id);
      expect(TransferController.runs).toHaveLength(runs);
    });

    it('keeps the proof when its handler throws', async () => {
      const id = await prove();
      expect(await call('transfers/handler/throwing', id)).toMatchObject({
        status: 400,
        body: { message: 'not today' },
      });
      expect(await isUsable(id)).toBe(true);
    });

    it('refuses every other use of the proof while its handler runs', async () => {
      const id = await prove();
      const answer = await call('transfers/handler/overtaken', id);
      expect(answer).toMatchObject({ status: 200, body: { usedByAnother: false } });
      expect(await app.row(id)).toMatchObject({ usedAt: app.clock.now(), useKey: null });
    });

    it('answers 409 when its handler uses the proof twice', async () => {
      const id = await prove();
      const answer = await call('transfers/handler/twice', id);
      expect(answer).toMatchObject({ status: 409, body: { error: 'confirmation-used' } });
    });

    it('spends the proof together with its transaction', async () => {
      const id = await prove();
      const failed = await call('transfers/handler/transaction', id, { fails: true });
      expect(failed).toMatchObject({ status: 400, body: { message: 'no money' } });
      expect(await isUsable(id)).toBe(true);
      const done = await call('transfers/handler/transaction', id);
      expect(done).toMatchObject({ status: 200, body: { spent: true } });
      expect(await call('transfers/handler/transaction', id)).toMatchObject({ status: 409 });
    });

    it('answers 500 when a handler takes a proof and its route requires no confirmation', async () => {
      expect(await call('transfers/no-proof')).toMatchObject({ status: 500 });
    });
  },
);
