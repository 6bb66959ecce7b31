// A confirmation that began by another method has no code until one is sent: there is nothing to guess, and a guess costs no one.
import { describe, expect, it } from 'vitest';

import { LimitRecord } from '../../lib/index.js';
import { enrolApp, METHODS } from '../support/authenticator.js';
import { drawCanaryCode, WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { purposes } from '../support/first-code-purposes.js';
import { startHttpApp, type Answer } from '../support/http.js';

describe.each(engines)('A code that was not sent yet on %s', (engine) => {
  it('is refused whatever it is, charges no one, and is drawn by the first message', async () => {
    // All codes that this application can draw.
    const codes = Array.from({ length: 30 }, drawCanaryCode);
    const drawn: string[] = [];
    const http = await startHttpApp({
      engine,
      options: {
        controller: true,
        methods: METHODS,
        purposes,
        codeGenerator: () => {
          drawn.push(codes[drawn.length % codes.length]!);
          return drawn.at(-1)!;
        },
      },
    });
    const { subject, app } = await enrolApp(http, 'ann');
    const caller = { 'x-user': subject };
    const post = (route: string, body: object): Promise<Answer> =>
      http.post(`/2factor/${route}`, body, caller);
    const { id } = (await post('request-confirmation', { purpose: 'login' })).body as {
      id: string;
    };
    const limits = http.dataSource.getRepository(LimitRecord);
    const counted = (): Promise<LimitRecord[]> => limits.find({ order: { id: 'ASC' } });
    const [row, before] = [await http.row(id), await counted()];

    // More wrong codes than a confirmation, and more than a subject, has tries.
    for (const code of codes) {
      expect(await post('confirm', { id, code })).toBeProblem(409, 'method-not-allowed');
    }

    expect(drawn).toEqual([]);
    expect(row).toMatchObject({ codeMac: null, envelope: null, attempts: 0 });
    expect(await http.row(id)).toEqual(row);
    expect(await counted()).toEqual(before);
    expect((await http.confirmer.check(id))[0]!.code).toBeNull();
    expect(await post('resend', { id, way: 'default' })).toMatchObject({ status: 200 });
    expect(drawn).toEqual([http.inbox.lastCode]);
    expect(await post('confirm', { id, code: WRONG_CODE })).toMatchObject({
      status: 422,
      body: { attemptsLeft: 4 },
    });
    expect(await post('confirm', { id, method: 'totp', code: app.wrongCode() })).toMatchObject({
      status: 422,
      body: { attemptsLeft: 3 },
    });
    const sent = { id, code: http.inbox.lastCode };
    expect(await post('confirm', sent)).toMatchObject({ status: 200 });
    await http.close();
  });
});
