// Where there are routes of the factors, and what the purpose `factors` decides about them.
import { afterEach, describe, expect, it } from 'vitest';

import type { PurposeDefinition } from '../../lib/index.js';
import { factorsOf, METHODS } from '../support/authenticator.js';
import {
  changesOf,
  ENROL,
  enrolledClient,
  FactorClient,
  FACTORS,
  MANY,
} from '../support/factor-routes.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

describe('Where there are routes of the factors', () => {
  const opened: HttpTestApp[] = [];
  afterEach(async () => {
    for (const http of opened.splice(0)) await http.close();
  });

  async function start(
    factors: PurposeDefinition | undefined,
    hasMethods = true,
  ): Promise<HttpTestApp> {
    const http = await startHttpApp({
      options: {
        controller: true,
        ...(hasMethods && { methods: METHODS }),
        purposes: { ...(factors && { factors }), other: FACTORS },
        limits: MANY,
      },
    });
    opened.push(http);
    return http;
  }

  it.each([
    ['without methods', FACTORS, false],
    ['without the purpose', undefined, true],
  ] as const)('each of these routes answers 404 %s', async (_, factors, hasMethods) => {
    const http = await start(factors, hasMethods);

    for (const [route, body] of [...changesOf('recovery'), ['factors/list', {}] as const]) {
      expect(await http.post(`/2factor/${route}`, body, { 'x-user': 'ann' })).toMatchObject({
        status: 404,
        body: { message: `Cannot POST /2factor/${route}` },
      });
    }
  });

  it('leaves a purpose named factors unchanged where no methods are configured', async () => {
    const http = await start({ ...FACTORS, details: () => ({ mine: true }) }, false);
    const { body } = await http.post(
      '/2factor/request-confirmation',
      { purpose: 'factors' },
      { 'x-user': 'ann' },
    );

    expect((await http.row((body as { id: string }).id)).details).toEqual({ mine: true });
  });

  it.each([
    [{ open: true } as const, 'has no subject'],
    [{ subject: FACTORS.subject, recipient: 'client' } as const, 'its client names where codes go'],
    [{ ...FACTORS, details: () => ({}) }, 'has details of its own'],
    [{ ...FACTORS, firstFactor: 'session' } as const, 'Leave one of them out'],
    [{ ...FACTORS, firstFactor: 'code' as 'session' }, "Give 'session'"],
    [{ ...FACTORS, methods: ['device'] as never }, 'a remembered browser'],
    [{ ...FACTORS, claimedSubject: true }, 'an anonymous client that only claims to be the person'],
    [
      { subject: FACTORS.subject, firstFactor: 'session', claimedSubject: true } as const,
      'an anonymous client that only claims to be the person',
    ],
  ])('refuses at boot the purpose %#', async (factors, message) => {
    await expect(start(factors)).rejects.toThrow(message);
  });

  it('refuses firstFactor for other purposes', async () => {
    await expect(
      startHttpApp({
        options: { methods: METHODS, purposes: { login: { ...FACTORS, firstFactor: 'session' } } },
      }),
    ).rejects.toThrow('firstFactor is for the purpose factors');
  });

  it('lets the session enrol a first app where the purpose allows that, and nothing else', async () => {
    const http = await start({ subject: FACTORS.subject, firstFactor: 'session' });
    const client = new FactorClient(http, 'ann');
    for (const [route, body] of changesOf('recovery').slice(1)) {
      expect(await client.post(route, body)).toBeProblem(403, 'confirmation-required');
    }
    // There is nothing that could prove it, so that a client enrols without asking for a proof.
    expect(await client.request(ENROL)).toBeProblem(403, 'no-method');
    const begun = await client.enrol();
    const again = await client.enrol();
    expect(await client.activate(begun)).toBeProblem(404, 'not-found');
    expect(await client.activate(again)).toMatchObject({ status: 200 });

    expect(await client.post('factors/enrol', { method: 'totp' })).toBeProblem(
      403,
      'confirmation-required',
    );
    http.clock.advance(30);
    const proof = await client.byApp(ENROL, again.app);
    expect(await client.post('factors/enrol', { method: 'totp' }, proof)).toMatchObject({
      status: 200,
    });
  });

  it('enrols no first app where neither a sent code nor the session proves the person', async () => {
    const http = await start({ subject: FACTORS.subject });
    const client = new FactorClient(http, 'ann');

    expect(await client.request(ENROL)).toBeProblem(403, 'no-method');
    expect(await client.post('factors/enrol', { method: 'totp' })).toBeProblem(
      403,
      'confirmation-required',
    );
    expect(await client.post('factors/enrol', { method: 'totp' }, UNKNOWN_ID)).toBeProblem(
      403,
      'confirmation-required',
    );
  });

  it('applies the methods of the purpose again when the proof is used', async () => {
    const http = await start({ ...FACTORS, methods: ['code'] });
    const { client, factorId } = await enrolledClient(http, 'ann');

    const body = { factor: factorId, allowLast: true };
    const proof = await client.byCode({ change: 'remove', ...body });

    expect(await client.post('factors/remove', body, proof)).toMatchObject({ status: 200 });
  });

  it('calls the function `methods` of the purpose again when the proof is used', async () => {
    let allowed: readonly ('code' | 'totp')[] = ['code'];
    const http = await start({ ...FACTORS, methods: () => allowed });
    const { client, factorId } = await enrolledClient(http, 'ann');
    const body = { factor: factorId, allowLast: true };
    const proof = await client.byCode({ change: 'remove', ...body });
    allowed = ['totp'];

    expect(await client.post('factors/remove', body, proof)).toBeProblem(
      403,
      'confirmation-required',
    );
  });

  it('counts no proof that the application confirmed by hand', async () => {
    const http = await start(FACTORS);
    const { client } = await enrolledClient(http, 'ann');
    const { id } = await http.confirmer.makeConfirmation({
      purpose: 'factors',
      subject: 'ann',
      details: ENROL,
      isConfirmed: true,
    });

    expect(await client.post('factors/enrol', { method: 'totp' }, id)).toBeProblem(
      403,
      'confirmation-required',
    );
  });

  it('answers 409, and leaves the proof unused, when another call changes the factors meanwhile', async () => {
    const http = await start(FACTORS);
    const client = new FactorClient(http, 'ann');
    const proof = await client.byCode(ENROL);
    const factors = factorsOf(http);
    const enrolled = factors.enrolled.bind(factors);
    // The change happens between the question and the transaction.
    Object.assign(factors, {
      enrolled: async (subject: string) => {
        const seen = await enrolled(subject);
        await enrolledClient(http, subject);
        return seen;
      },
    });

    expect(await client.post('factors/enrol', { method: 'totp' }, proof)).toBeProblem(
      409,
      'conflict',
    );
    expect((await http.row(proof)).usedAt).toBeNull();
  });
});
