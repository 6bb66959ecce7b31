// Over HTTP a code is compared by the statement that also asks whose confirmation it is for.
import { UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';

import { LimitService, type PurposeDefinition } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';

const userOf = (context: ExecutionContext): string | undefined => {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
  return headers['x-user'] === undefined ? undefined : decodeURIComponent(headers['x-user']);
};
const recipient = (context: ExecutionContext): string => `${userOf(context)}@example.com`;

let http: HttpTestApp;
afterEach(() => http.close());

describe.each(engines)('On %s', (engine) => {
  describe.each([
    ['with limits', {}],
    ['without limits', false],
  ] as const)('%s', (_, limits) => {
    const start = async (purposes: Record<string, PurposeDefinition>): Promise<void> => {
      http = await startHttpApp({ engine, options: { limits, purposes, controller: true } });
    };
    const confirm = (id: string, code: string, user?: string): ReturnType<HttpTestApp['post']> =>
      http.post(
        '/2factor/confirm',
        { id, code },
        user === undefined ? {} : { 'x-user': encodeURIComponent(user) },
      );

    it('refuses another user, an anonymous client and a confirmation without a subject, and charges none of them', async () => {
      await start({ transfer: { subject: userOf, recipient }, open: { open: true } });
      const { id, code } = await http.request({ purpose: 'transfer' }, { 'x-user': 'ann' });
      const ofNobody = await http.confirmer.makeConfirmation({ purpose: 'transfer' });
      const undeclared = await http.confirmer.makeConfirmation({ purpose: 'else', subject: 'bob' });

      for (const user of [
        'bob',
        'ANN',
        'ann ',
        '\u00e1nn',
        'ann\0',
        'x'.repeat(2_000),
        '',
        undefined,
      ]) {
        expect(await confirm(id, code, user)).toBeProblem(404, 'not-found');
        expect(await confirm(id, WRONG_CODE, user)).toBeProblem(404, 'not-found');
        expect(await confirm(ofNobody.id, ofNobody.code!, user)).toBeProblem(404, 'not-found');
        expect(await confirm(undeclared.id, undeclared.code!, user)).toBeProblem(404, 'not-found');
      }

      for (const each of [id, ofNobody.id, undeclared.id]) {
        expect(await http.row(each)).toMatchObject({ attempts: 0, confirmedAt: null });
      }
      const service = http.app.get(LimitService, { strict: false });
      expect((await service.failures({ subject: 'ann' })).count).toBe(0);
      expect(await confirm(id, WRONG_CODE, 'ann')).toMatchObject({ status: 422 });
      expect(await confirm(id, code, 'ann')).toMatchObject({ status: 200 });
      expect(await confirm(id, code, 'ann')).toBeProblem(409, 'already-confirmed');
    });

    it('asks for no subject when the purpose is open', async () => {
      await start({
        transfer: { subject: userOf, recipient },
        open: { open: true },
        '': { open: true },
      });
      for (const body of [
        { token: 'ann@example.com', purpose: 'open' },
        { token: 'b@c.example' },
      ]) {
        const { id, code } = await http.request(body);

        expect(await confirm(id, code)).toMatchObject({ status: 200 });
      }
    });

    it('a subject resolver that refuses strangers refuses them for its own purpose alone', async () => {
      const subject = (): string => {
        throw new UnauthorizedException();
      };
      await start({ transfer: { subject, recipient }, open: { open: true } });
      const bound = await http.confirmer.makeConfirmation({ purpose: 'transfer', subject: 'ann' });
      const { id, code } = await http.request({ token: 'ann@example.com', purpose: 'open' });

      expect(await confirm(bound.id, bound.code!)).toBeProblem(404, 'not-found');
      expect(await confirm(id, code)).toMatchObject({ status: 200 });
    });

    it('calls every subject resolver once for each call, whatever the id is', async () => {
      const asked: string[] = [];
      const resolver =
        (name: string) =>
        (context: ExecutionContext): string | undefined => {
          asked.push(name);
          return userOf(context);
        };
      await start({
        transfer: { subject: resolver('transfer'), recipient },
        close: { subject: resolver('close'), recipient },
      });
      const { id, code } = await http.request({ purpose: 'close' }, { 'x-user': 'ann' });
      asked.length = 0;

      expect(await confirm(id, code, 'bob')).toBeProblem(404, 'not-found');
      expect(await confirm(id, code, 'ann')).toMatchObject({ status: 200 });
      expect(asked).toEqual(['transfer', 'close', 'transfer', 'close']);
    });
  });
});
