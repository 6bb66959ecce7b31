// A proof by a weaker method is refused where it is used, once the person has what the purpose asks for then.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolApp, factorsOf, METHODS } from '../support/authenticator.js';
import { engines, type EngineName } from '../support/engines.js';
import { MANY } from '../support/factor-routes.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import {
  BY_APP_OR_CODE,
  effectsOf,
  openEffects,
  proofBy,
  proofByCode,
  ReviewedTransfersController,
  transfer,
} from '../support/reviewed-transfers.js';

async function start(engine: EngineName, create = adapters[0]!.create): Promise<HttpTestApp> {
  const http = await startHttpApp({
    engine,
    adapter: create(),
    options: {
      controller: true,
      methods: METHODS,
      purposes: { transfer: BY_APP_OR_CODE },
      limits: MANY,
    },
    controllers: [ReviewedTransfersController],
  });
  await openEffects(http);
  return http;
}

const cells = engines.flatMap((engine) => adapters.map((adapter) => ({ engine, ...adapter })));

describe.each(cells)(
  'A proof by a sent code, when an app was enrolled after it, on $name and $engine',
  ({ engine, create }) => {
    let http: HttpTestApp;
    let users = 0;

    beforeAll(async () => {
      http = await start(engine, create);
    });
    afterAll(() => http?.close());

    it.each(['guarded', 'transactional'])(
      'is refused as a problem by the route %s, without an effect, and stays unused',
      async (route) => {
        const user = `ann-${(users += 1)}`;
        const id = await proofByCode(http, user);
        const { factorId, app } = await enrolApp(http, user);
        const [row, effects] = [await http.row(id), await effectsOf(http)];

        for (let call = 0; call < 2; call += 1) {
          const answer = await transfer(http, route, user, id);
          expect(answer).toBeProblem(403, 'confirmation-required');
        }

        expect(await effectsOf(http)).toBe(effects);
        expect(await http.row(id)).toEqual(row);
        expect(row).toMatchObject({ confirmedBy: 'code', usedAt: null, useKey: null });
        const byApp = await proofBy(http, user, { method: 'totp', code: app.code() });
        expect(await transfer(http, route, user, byApp)).toMatchObject({ status: 200 });
        expect(await effectsOf(http)).toBe(effects + 1);
        // What the purpose asks for is asked at each call: without the app the code is enough again.
        await factorsOf(http).remove({ subject: user, factor: factorId, allowLast: true });
        expect(await transfer(http, route, user, id)).toMatchObject({ status: 200 });
        expect(await effectsOf(http)).toBe(effects + 2);
        expect(await transfer(http, route, user, id)).toBeProblem(409, 'confirmation-used');
      },
    );

    it('pays in an application that does not ask again', async () => {
      const user = `ann-${(users += 1)}`;
      const id = await proofByCode(http, user);
      await enrolApp(http, user);
      const effects = await effectsOf(http);

      const answer = await transfer(http, 'naive', user, id);

      expect([answer.status, answer.text]).toEqual([200, 'true']);
      expect(await effectsOf(http)).toBe(effects + 1);
    });
  },
);

describe.each(engines)('Proofs of a purpose with the function `methods`, on %s', (engine) => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await start(engine);
  });
  afterAll(() => http?.close());

  it('are refused when a call that reserved them before the app was enrolled releases them', async () => {
    const id = await proofByCode(http, 'bea');
    let release!: (value: unknown) => void;
    ReviewedTransfersController.held = new Promise((resolve) => {
      release = resolve;
    });
    const failing = transfer(http, 'failing', 'bea', id);
    await expect.poll(async () => (await http.row(id)).usedAt, { timeout: 60_000 }).not.toBeNull();
    await enrolApp(http, 'bea');
    const effects = await effectsOf(http);

    expect(await transfer(http, 'guarded', 'bea', id)).toBeProblem(409, 'confirmation-used');
    release(undefined);
    expect(await failing).toMatchObject({ status: 500 });

    expect(await http.row(id)).toMatchObject({ usedAt: null });
    expect(await transfer(http, 'guarded', 'bea', id)).toBeProblem(403, 'confirmation-required');
    expect(await transfer(http, 'transactional', 'bea', id)).toBeProblem(
      403,
      'confirmation-required',
    );
    expect(await effectsOf(http)).toBe(effects);
  });

  it('have one effect at most while an app is being enrolled, and none afterwards', async () => {
    const proofs = [await proofByCode(http, 'cleo'), await proofByCode(http, 'cleo')];
    const effects = await effectsOf(http);
    const calls = Array.from({ length: 20 }, (_, index) =>
      transfer(http, index % 2 === 0 ? 'guarded' : 'transactional', 'cleo', proofs[0]!),
    );
    await enrolApp(http, 'cleo');
    const later = await transfer(http, 'guarded', 'cleo', proofs[1]!);
    const statuses = (await Promise.all(calls)).map(({ status }) => status);

    expect(statuses.filter((status) => status !== 200 && status !== 403 && status !== 409)).toEqual(
      [],
    );
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(1);
    expect(later).toBeProblem(403, 'confirmation-required');
    const paid = statuses.filter((status) => status === 200).length;
    expect(await effectsOf(http)).toBe(effects + paid);
  });

  it('are refused after an enrolment when the application uses them in a transaction of its own', async () => {
    const id = await proofByCode(http, 'dora');
    const { app } = await enrolApp(http, 'dora');
    const effects = await effectsOf(http);

    expect((await transfer(http, 'service', 'dora', id)).text).toBe('false');
    expect(await http.row(id)).toMatchObject({ usedAt: null });
    expect(await effectsOf(http)).toBe(effects);

    const byApp = await proofBy(http, 'dora', { method: 'totp', code: app.code() });
    expect((await transfer(http, 'service', 'dora', byApp)).text).toBe('true');
    expect((await transfer(http, 'service', 'dora', byApp)).text).toBe('false');
    expect(await effectsOf(http)).toBe(effects + 1);
  });
});
