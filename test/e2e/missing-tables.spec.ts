// A database without a table of the module is number 19 of docs/misconfigurations.md, at the first call and on every engine.
import { Logger } from '@nestjs/common';
import request from 'supertest';
import { describe, expect, it, vi } from 'vitest';

import { TWO_FACTOR_ENTITIES, TwoFactorConfigurationError } from '../../lib/index.js';
import { engines, openDatabase } from '../support/engines.js';
import {
  assertSaid,
  boot,
  endAfterEach,
  ends,
  rows,
  stopped,
  type Plant,
} from './misconfigured-application.js';

endAfterEach();

describe.each(engines)('a missing table on %s', (engine) => {
  const row = rows.find(({ number }) => number === 19)!;

  it.each([
    ['two_factor_limit', undefined],
    ['two_factor_confirmation', false],
  ] as const)('(%s) is reported at the first call', async (table, limits) => {
    const database = await openDatabase(engine);
    ends.push(() => database.drop());
    const words = new RegExp(`${table}['"]?( does not exist| doesn't exist)?$`);
    const plant: Plant = {
      options: limits === undefined ? {} : { limits },
      database,
      dataSource: { migrations: [], autoLoadEntities: false, entities: [...TWO_FACTOR_ENTITIES] },
      words,
    };
    const error = await stopped(plant, row);

    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    assertSaid(error.message, row, plant);
  });

  it('is a 500 over HTTP, and the sentence is in the log', async () => {
    const database = await openDatabase(engine);
    ends.push(() => database.drop());
    const plant: Plant = { database, dataSource: { migrations: [] }, words: /two_factor_limit/ };
    const app = await boot(plant);
    const lines = vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    const { body, status } = (await request(app.getHttpServer() as string)
      .post('/2factor/request-confirmation')
      .send({ token: 'ann@example.com' })) as { body: Record<string, unknown>; status: number };

    expect([status, body['error']]).toEqual([500, 'invalid-configuration']);
    expect(JSON.stringify(body)).not.toContain('two_factor_limit');
    expect(lines).toHaveBeenCalledTimes(1);
    const [, said = ''] =
      /^urn:uuid:\S+ TwoFactorConfigurationError: (.*?)(?: Cause: .*)?$/.exec(
        String(lines.mock.calls[0]?.[0]),
      ) ?? [];
    assertSaid(said, row, plant);
  });
});
