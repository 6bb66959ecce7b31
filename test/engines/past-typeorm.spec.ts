// Statements of which nobody is told go to `pg` as queries of a class of ours.
import pg, { types } from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { engines } from '../support/engines.js';
import { SILENT, startApp, type TestApp } from '../support/test-app.js';

const INT8 = 20;

let test: TestApp;
afterEach(async () => {
  vi.restoreAllMocks();
  await test.close();
});

async function start(extra = {}): Promise<void> {
  const dataSource = { ...SILENT, ...extra };
  test = await startApp({ engine: 'postgres', dataSource, options: { limits: {}, join: false } });
}

/** Lives at the same time. @returns whether each was confirmed, and then used. */
async function lives(count: number): Promise<boolean[]> {
  const { confirmer } = test;
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const subject = `user-${index}`;
      const state = await confirmer.makeConfirmation({ subject, meta: { index } });
      await confirmer.confirm(state.id, 'WRONGCODE');
      const [confirmed] = await confirmer.confirm(state.id, state.code!);
      expect(confirmed).toMatchObject({ attemptsLeft: 3, meta: { index }, subject });
      return confirmer.use(state, { subject });
    }),
  );
}

describe.each(engines.filter((engine) => engine === 'postgres'))('On %s', () => {
  it('a statement is described once, whatever connection it goes over', async () => {
    await start();
    const { Connection } = pg as unknown as { Connection: { prototype: { describe(): void } } };
    const describing = vi.spyOn(Connection.prototype, 'describe');

    await lives(1);
    // Make, confirm, use.
    expect(describing).toHaveBeenCalledTimes(3);
    expect(await lives(10)).toEqual(Array.from({ length: 10 }, () => true));

    expect(describing).toHaveBeenCalledTimes(3);
  });

  it('parsers of types that the application sets change nothing', async () => {
    const before = types.getTypeParser(INT8);
    types.setTypeParser(INT8, () => 'whatever the application makes of it');
    try {
      await start();
      expect(await lives(2)).toEqual([true, true]);
    } finally {
      types.setTypeParser(INT8, before);
    }
  });

  it('clients in a pipeline, which takes no such queries, get those of pg', async () => {
    await start({ extra: { pipeline: true } });
    const query = vi.spyOn(pg.Client.prototype, 'query');

    expect(await lives(3)).toEqual([true, true, true]);
    const said = query.mock.calls.map(([first]) => (first as { name?: string }).name);
    expect(said.filter(Boolean)).toHaveLength(12);
  });
});
