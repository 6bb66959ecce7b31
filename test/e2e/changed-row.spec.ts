// A row that was changed by hand: no error but those of this package, and never a success.
import { afterEach, describe, expect, it } from 'vitest';

import { TwoFactorUnavailableError } from '../../lib/index.js';
import { quietly } from '../engines/faults/behind-proxy.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';

describe.each(['details', 'meta'])('A row whose %s are no JSON any more', (column) => {
  let http: HttpTestApp;
  afterEach(() => http.close());

  it('makes every call that reads it TwoFactorUnavailableError, over HTTP 503', async () => {
    http = await startHttpApp({ ...quietly, options: { controller: true } });
    const { confirmer, sender, dataSource } = http;
    const state = await confirmer.makeConfirmation({ details: { amount: 5 }, meta: { page: 1 } });
    const { id, code } = state;
    await dataSource.query(
      `UPDATE two_factor_confirmation SET ${column} = '{broken' WHERE id = '${id}'`,
    );

    const calls = await Promise.allSettled([
      confirmer.check(id),
      confirmer.confirm(id, code!),
      sender.send(null, 'ann@example.com', id),
    ]);

    for (const call of calls) {
      expect(call).toEqual({
        status: 'rejected',
        reason: expect.any(TwoFactorUnavailableError) as unknown,
      });
    }
    expect(await http.post('/2factor/check', { id })).toBeProblem(503, 'out-of-service');
  });
});
