// Threat: whatever can be put on the wire (security.md, invariant I11): 5,000 requests on each adapter, none of which is
// a request that an honest client would send. FUZZ_SEED draws others.
import { Agent } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import type { ExecutionContext } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { recordOutput } from '../support/canaries.js';
import { documentedOutcome } from '../support/documented-answers.js';
import { httpDoors, type Entrance } from '../support/doors.js';
import { dumpOf } from '../support/dump.js';
import type { Answer } from '../support/http.js';
import { portOf, rawCall } from '../support/raw-http.js';
import { REQUESTS, SEED, type FuzzRequest, hostileRequests } from './fuzz-requests.js';

const SOCKETS = 16;
const MAX_GROWTH_BYTES = 50_000_000;

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are still in use when all garbage is gone. */
function heapInUse(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

describe.each(httpDoors)('5,000 hostile requests on $name', ({ open }) => {
  let door: Entrance;
  const accidents: unknown[] = [];
  const accident = (reason: unknown): void => void accidents.push(reason);

  beforeEach(async () => {
    accidents.length = 0;
    process.on('unhandledRejection', accident);
    process.on('uncaughtException', accident);
    door = await open({
      options: {
        limits: { pending: false, sendsPerToken: false },
        purposes: {
          '': { open: true },
          login: {
            subject: (context) => (userOf(context) === 'ann' ? 'ann' : undefined),
            recipient: () => 'ann@example.com',
          },
        },
      },
    });
  });
  afterEach(async () => {
    process.off('unhandledRejection', accident);
    process.off('uncaughtException', accident);
    await door.close();
  });

  it('cause no 5xx, no accident, no change and no growth, and the victim still confirms', async () => {
    const { app, confirmer, clock, dataSource, log, inbox } = door.test;
    const ann = { 'x-user': 'ann' };
    const purged = await door.made();
    clock.advance(700);
    await confirmer.purge({ olderThan: new Date(clock.now()) });
    const open = await door.made();
    const bound = await door.http!.request({ purpose: 'login' }, ann);
    const [confirmed, used, cancelled] = [await door.made(), await door.made(), await door.made()];
    await door.confirm(confirmed.id, confirmed.code);
    await door.confirm(used.id, used.code);
    await confirmer.use(used.id);
    await confirmer.cancel(cancelled.id);
    const others = [purged, bound, confirmed, used, cancelled].map(({ id }) => id);
    const requests = hostileRequests({ open: open.id, others });

    const port = portOf(app.getHttpServer());
    const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
    const statuses = new Map<number, number>();
    const send = async (request: FuzzRequest): Promise<void> => {
      const answer = await rawCall(port, request, agent);
      recordOutput('fuzz', answer.status, answer.headers, answer.text);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      assertRefused(request, answer);
    };
    const sendAll = async (some: readonly FuzzRequest[]): Promise<void> => {
      let next = 0;
      const work = async (): Promise<void> => {
        while (next < some.length) {
          next += 1;
          await send(some[next - 1]!);
        }
      };
      await Promise.all(Array.from({ length: SOCKETS }, work));
    };

    const before = await dumpOf(dataSource);
    const sent = inbox.deliveries.length;
    // What is compiled and cached once is no growth.
    await sendAll(requests.slice(0, REQUESTS / 10));
    log.statements.length = 0;
    const heap = heapInUse();
    await sendAll(requests.slice(REQUESTS / 10));
    log.statements.length = 0;
    const growth = heapInUse() - heap;
    agent.destroy();

    expect(accidents).toStrictEqual([]);
    expect(await dumpOf(dataSource)).toStrictEqual(before);
    expect(inbox.deliveries).toHaveLength(sent);
    expect(Object.keys(Object.prototype)).toStrictEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
    // The requests came as far as they should: refused by the parser, by the router, and by each of our own reasons.
    expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(REQUESTS);
    for (const status of [400, 403, 404, 409, 410, 413, 415, 429])
      expect([status, (statuses.get(status) ?? 0) > 0]).toStrictEqual([status, true]);

    expect(await door.row(open.id)).toMatchObject({ attempts: 0, sends: 1 });
    expect(await door.confirm(open.id, open.code)).toBe('done');
    const { status } = await door.http!.post('/2factor/confirm', bound, ann);
    expect(status).toBe(200);
    expect(await door.row(bound.id)).toMatchObject({ attempts: 1 });
    expect(await confirmer.use(confirmed.id)).toBe(true);
  });
});

function assertRefused(request: FuzzRequest, answer: Answer): void {
  const { status, headers: answered } = answer;
  const isCheck = request.route === 'check' && status === 200;
  const isRefusal = status >= 400 && status < 500;
  try {
    expect(isCheck || isRefusal).toBe(true);
    if (isCheck || answered['content-type']?.startsWith('application/problem+json') === true)
      // A HEAD has no body to look at.
      if (request.method !== 'HEAD') documentedOutcome(request.route, answer);
  } catch (cause) {
    const shown = { ...request, body: String(request.body).slice(0, 1_000) };
    throw new Error(
      `FUZZ_SEED=${SEED}: ${JSON.stringify(shown)} was answered ${status} ${answer.text.slice(0, 500)}`,
      { cause },
    );
  }
}
