// Who can write to the table of the factors, and does not know the secret, gets no factor by it (T17), and lowers no demand.
import { Logger } from '@nestjs/common';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  vi,
  type MockInstance,
} from 'vitest';

import { FactorRecord, type FactorService, type MethodResponse } from '../../lib/index.js';
import { enrolApp, factorsOf } from '../support/authenticator.js';
import { engines } from '../support/engines.js';
import { FORGERIES, trustAllRows, type Forgery } from '../support/forged-factors.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';
import {
  BY_APP_OR_CODE,
  effectsOf,
  openEffects,
  proofByCode,
  ReviewedTransfersController,
  transfer,
} from '../support/reviewed-transfers.js';

const MINUTE = 60;

describe.each(engines)('A factor that was written by hand on %s', (engine) => {
  let test: HttpTestApp;
  let factors: FactorService;
  let next = 0;
  let logged: MockInstance<Logger['error']>;

  beforeAll(async () => {
    test = await startHttpApp({
      engine,
      options: {
        controller: true,
        methods: PASSKEY_METHODS,
        purposes: { transfer: BY_APP_OR_CODE },
        limits: false,
        databaseTimeoutMs: 60_000,
      },
      controllers: [ReviewedTransfersController],
    });
    await openEffects(test);
    factors = factorsOf(test);
  });
  beforeEach(() => {
    logged = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  afterAll(() => test?.close());

  const nextSubject = (): string => `victim-${(next += 1)}`;
  const rows = () => test.dataSource.getRepository(FactorRecord);
  /** As the module answers: whether it confirmed, or the code of its error. */
  const confirm = async (id: string, response: MethodResponse): Promise<unknown> =>
    test.confirmer.confirm(id, response).then(
      ([, isConfirmed]) => isConfirmed,
      ({ code }: { code: string }) => code,
    );
  /** A confirmation of the victim, and the response of the attacker, which even a module that trusts all rows would challenge for. */
  const attack = async ({
    victim,
    method,
    respond,
  }: Forgery): Promise<readonly [string, MethodResponse]> => {
    const made = { subject: victim, methods: [method] };
    const { id } = await test.confirmer.makeConfirmation(made);
    const end = trustAllRows(test);
    const response = await respond(id);
    end();
    return [id, response];
  };

  it.each(Object.entries(FORGERIES))(
    'confirms nothing, and would in the naive twin: %s',
    async (_, forge) => {
      const victim = nextSubject();
      await enrolApp(test, victim);
      const [id, response] = await attack(await forge(test, victim));

      expect([false, 'unknown-secret']).toContain(await confirm(id, response));
      expect(await test.confirmer.check(id)).toMatchObject([{ status: 'pending' }, false]);

      const end = trustAllRows(test);
      expect(await confirm(id, response)).toBe(true);
      end();
    },
  );

  it('is neither listed nor counted where it is a recovery code or a device', async () => {
    const victim = nextSubject();
    const before = await factors.list({ subject: victim });
    await FORGERIES['a recovery code by INSERT']!(test, victim);
    await FORGERIES['a remembered device by INSERT']!(test, victim);

    expect(before).toEqual([]);
    expect(await factors.list({ subject: victim })).toEqual([]);
    expect(await factors.enrolled(victim)).toEqual([]);
  });

  it('leaves the factors of the victim as they were', async () => {
    const victim = nextSubject();
    const { app, recoveryCodes } = await enrolApp(test, victim);
    const { authenticator } = await enrolPasskey(test, victim);
    for (const name of Object.keys(FORGERIES).filter((each) => each.endsWith('by INSERT'))) {
      await FORGERIES[name]!(test, victim);
    }

    expect((await factors.list({ subject: victim })).at(-1)).toMatchObject({ left: 10 });
    for (const respond of [
      () => ({ method: 'totp', code: app.code() }) as const,
      () => ({ method: 'recovery', code: recoveryCodes[0]! }) as const,
      async (id: string) => {
        const options = await test.confirmer.challenge(id, { method: 'passkey' });
        expect(options.allowCredentials).toHaveLength(1);
        return { method: 'passkey', response: authenticator.get(options) } as const;
      },
    ]) {
      const methods = ['totp', 'recovery', 'passkey'] as const;
      const { id } = await test.confirmer.makeConfirmation({ subject: victim, methods });
      expect(await confirm(id, await respond(id))).toBe(true);
    }
  });

  it('that was an app still asks for it: a sent code pays neither before nor after the row was damaged', async () => {
    const user = nextSubject();
    const { factorId, app } = await enrolApp(test, user);
    const proofs = [await proofByCodeOf(user)];
    const { data } = await rows().findOneByOrFail({ id: factorId });
    await rows().update({ id: factorId }, { data: `${data!.slice(0, -4)}AAAA` });
    proofs.push(await proofByCodeOf(user));
    const effects = await effectsOf(test);

    for (const id of proofs) {
      const answer = await transfer(test, 'guarded', user, id);
      expect(answer).toBeProblem(403, 'confirmation-required');
    }
    expect(await effectsOf(test)).toBe(effects);
    expect(await factors.enrolled(user)).toEqual(['totp', 'recovery']);
    const { id } = await test.confirmer.makeConfirmation({ subject: user, methods: ['totp'] });
    expect(await confirm(id, { method: 'totp', code: app.code() })).toBe('unknown-secret');
  });

  it('that was an app still asks for it when its row says that it has expired', async () => {
    const user = nextSubject();
    const { factorId } = await enrolApp(test, user);
    const id = await proofByCodeOf(user);
    await rows().update({ id: factorId }, { expiresAt: 1 });
    const effects = await effectsOf(test);

    const answer = await transfer(test, 'guarded', user, id);

    expect(answer).toBeProblem(403, 'confirmation-required');
    expect(await effectsOf(test)).toBe(effects);
    expect(await factors.enrolled(user)).toEqual(['totp', 'recovery']);
  });

  /** A proof by a code that was made while the purpose asked for nothing else: as of a thief who came before. */
  async function proofByCodeOf(user: string): Promise<string> {
    const enrolled = vi.spyOn(factors, 'enrolled').mockResolvedValue([]);
    try {
      return await proofByCode(test, user);
    } finally {
      enrolled.mockRestore();
    }
  }

  it('that was an app can be replaced and removed, and is the last one as long as no other can confirm', async () => {
    const subject = nextSubject();
    const { factorId } = await enrolApp(test, subject);
    await rows().update({ id: factorId }, { createdAt: 1 });

    expect(await factors.list({ subject })).toMatchObject([{ id: factorId }, { left: 10 }]);
    await expect(factors.regenerateRecoveryCodes({ subject })).rejects.toMatchObject({
      code: 'no-factor',
    });
    await expect(factors.remove({ subject, factor: factorId })).rejects.toMatchObject({
      code: 'last-factor',
    });
    const fresh = await enrolApp(test, subject);
    expect(await factors.list({ subject })).toMatchObject([{ id: fresh.factorId }, { left: 10 }]);

    const passkey = await enrolPasskey(test, subject);
    await rows().update({ id: fresh.factorId }, { createdAt: 1 });
    await expect(factors.remove({ subject, factor: passkey.factorId })).rejects.toMatchObject({
      code: 'last-factor',
    });
    expect(await factors.remove({ subject, factor: fresh.factorId })).toBe(true);
  });

  it('is reported once, by its id and with the remedy, and without its data', async () => {
    const victim = nextSubject();
    const { factorId } = await enrolApp(test, victim);
    await rows().update({ id: factorId }, { data: 'v1.written.by.hand' });

    test.clock.advance(MINUTE);
    for (let time = 0; time < 3; time += 1) await factors.list({ subject: victim });

    expect(logged.mock.calls).toEqual([
      [
        `The factor ${factorId} confirms nothing: its secret is not in the ring, or its row was changed or written by hand. Add the ` +
          'former secret to the option secrets again, or remove the factor and let the person enrol again.',
      ],
    ]);
  });
});
