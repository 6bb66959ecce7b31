import { Logger, type INestMicroservice } from '@nestjs/common';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { freePort } from '../support/free-port.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/microservices.md');
let app: INestMicroservice | undefined;

beforeAll(() => writePage(page));
afterEach(async () => {
  await app?.close();
  vi.restoreAllMocks();
});

describe('Microservices', () => {
  it('a transfer is asked for, confirmed, and made once, by messages', async () => {
    const lines: string[] = [];
    vi.spyOn(Logger.prototype, 'log').mockImplementation((line: unknown) => {
      lines.push(String(line));
    });
    const { start } = await load<{ start: (port: number) => Promise<INestMicroservice> }>(
      page,
      'main.ts',
    );
    const port = await freePort();
    app = await start(port);
    const options = { host: '127.0.0.1', port };
    const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
    const send = (pattern: string, data: object): Promise<unknown> =>
      lastValueFrom(client.send(pattern, data));
    const transfer = { userId: 'ann', phone: '+14155550123', amount: '10.00', payee: 'bob' };

    try {
      const confirmation = String(await send('transfers.ask', transfer));
      const make = (more: object = {}) =>
        send('transfers.make', { ...transfer, confirmation, ...more });
      await expect(make()).rejects.toMatchObject({ error: 'confirmation-required' });
      const code = lines.map((line) => / to \S+: (\S+) is your /.exec(line)?.[1]).findLast(Boolean);
      expect(await send('transfers.confirm', { id: confirmation, code })).toBe(true);

      await expect(make({ amount: '10000.00' })).rejects.toMatchObject({
        error: 'confirmation-required',
      });
      await expect(make({ userId: 'eve' })).rejects.toMatchObject({
        error: 'confirmation-required',
      });
      expect(await make()).toBe('10.00 to bob');
      await expect(make()).rejects.toMatchObject({ error: 'confirmation-used' });
    } finally {
      await client.close();
    }
  });
});
