// kill -9 between the two writes of a settlement: the confirmation and the factor have both changed, or neither.
import { once } from 'node:events';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FactorRecord } from '../../../lib/index.js';
import { enrolApp, METHODS, type EnrolledSubject } from '../../support/authenticator.js';
import { servers } from '../../support/engines.js';
import {
  expectNoStrayRejections,
  startBehindProxy,
  STATEMENTS,
  type BehindProxy,
} from './behind-proxy.js';
import type { FactorOrder } from './factor-worker.js';
import { startWorker } from './start-worker.js';

expectNoStrayRejections();

/** The write of the factor. On PostgreSQL both writes are one statement, which names both tables. */
const SPENDS = /^\s*UPDATE .two_factor_factor. SET .counter.|^\s*WITH locked.*two_factor_factor/s;
const CONSUMES =
  /^\s*UPDATE .two_factor_factor. SET .method. = 'spent'|^\s*WITH locked.*two_factor_factor/s;

describe.each(servers)('A process that is killed -9 while it settles on %s', (engine) => {
  let behind: BehindProxy;
  const people = new Map<string, EnrolledSubject & { id: string }>();

  // One process, caught in four calls at once.
  beforeAll(async () => {
    behind = await startBehindProxy(engine, {
      options: { methods: METHODS, databaseTimeoutMs: 60_000 },
    });
    const { direct, proxy, test } = behind;
    for (const subject of ['before-app', 'before-code', 'commit-app', 'commit-code']) {
      // The clock of both is one, and the app shows what that tells.
      const enrolled = await enrolApp(direct, subject);
      people.set(subject, { ...enrolled, id: '' });
    }
    for (const [subject, person] of people) {
      const methods = ['totp', 'recovery'] as const;
      const { id } = await direct.confirmer.makeConfirmation({ subject, methods });
      people.set(subject, { ...person, id });
    }
    const { child } = await startWorker('factor-worker.ts', { test });
    const caught = async (
      name: string,
      statement: RegExp,
      fault: 'hold-answer' | 'hold-request',
    ) => {
      const { id, app, recoveryCodes } = people.get(name)!;
      const response = name.endsWith('app')
        ? ({ method: 'totp', code: app.code() } as const)
        : ({ method: 'recovery', code: recoveryCodes[0]! } as const);
      const trap = proxy.trap(statement, fault);
      child.send({ id, responses: [response] } satisfies FactorOrder);
      await trap.reached;
    };
    await caught('before-app', SPENDS, 'hold-request');
    await caught('before-code', CONSUMES, 'hold-request');
    const last =
      engine === 'postgres' ? [SPENDS, CONSUMES] : [STATEMENTS.commit, STATEMENTS.commit];
    await caught('commit-app', last[0]!, 'hold-answer');
    await caught('commit-code', last[1]!, 'hold-answer');

    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  afterAll(() => behind.close());

  const both = async (name: string): Promise<[isConfirmed: boolean, isSpent: boolean]> => {
    const { id, subject, factorId } = people.get(name)!;
    const factors = behind.direct.dataSource.getRepository(FactorRecord);
    const { confirmedAt } = await behind.row(id);
    const { counter } = await factors.findOneByOrFail({ id: factorId });
    const left = await factors.countBy({ subject, method: 'recovery' });
    const step = Math.floor(behind.direct.clock.now() / 30_000);
    return [confirmedAt !== null, name.endsWith('app') ? counter === step : left === 9];
  };

  it.each(['before-app', 'before-code'])(
    'has neither confirmed nor spent the code in the call %s',
    async (name) => {
      expect(await both(name)).toEqual([false, false]);
      const { id, recoveryCodes } = people.get(name)!;
      const code = recoveryCodes[0]!;
      const [, done] = await behind.direct.confirmer.confirm(id, { method: 'recovery', code });
      expect(done).toBe(true);
    },
  );

  it.each(['commit-app', 'commit-code'])(
    'has confirmed and has spent the code in the call %s',
    async (name) => {
      expect(await both(name)).toEqual([true, true]);
    },
  );
});
