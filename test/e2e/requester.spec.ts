// Who causes a message over HTTP, when the application says nothing about it, and when it does.
import { Logger, type ExecutionContext, type INestApplication } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TwoFactorEvents, type LimitsOptions } from '../../lib/index.js';
import { startHttpApp, type HttpTestApp, type HttpTestAppInput } from '../support/http.js';

const FOUR = { max: 4, perSeconds: 600 };
const TWO = { max: 2, perSeconds: 600 };
/** Four messages for each network, and for all unknown requesters; two for each requester. */
const LIMITS: LimitsOptions = {
  sendsPerRequester: [TWO],
  sendsPerNetwork: [{ ipv4: 24, ipv6: 48, ...FOUR }],
};

const headerOf = (context: ExecutionContext, name: string): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    name
  ];

const servers: readonly {
  name: string;
  create: (trusts: boolean) => HttpTestAppInput;
}[] = [
  {
    name: 'Express',
    create: (trusts) => ({
      adapter: new ExpressAdapter(),
      configure: (app: INestApplication) => {
        if (trusts) (app as NestExpressApplication).set('trust proxy', 'loopback');
      },
    }),
  },
  {
    name: 'Fastify',
    create: (trusts) => ({
      adapter: new FastifyAdapter(trusts ? { trustProxy: 'loopback' } : {}),
    }),
  },
];

describe.each(servers)('The requester of a message over HTTP on $name', ({ create }) => {
  let http: HttpTestApp;
  let asked = 0;
  let blocked: string[];

  afterEach(async () => {
    vi.restoreAllMocks();
    await http.close();
  });

  async function start(limits: LimitsOptions = LIMITS, trusts = false): Promise<void> {
    const userOf = (context: ExecutionContext): string | undefined => headerOf(context, 'x-user');
    http = await startHttpApp({
      ...create(trusts),
      options: {
        controller: true,
        limits,
        purposes: {
          open: {},
          login: { subject: userOf, recipient: (context) => `${userOf(context)}@example.com` },
        },
      },
    });
    blocked = [];
    http.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => {
      if (event.type === 'send-blocked') blocked.push(event.limit);
    });
  }

  /** The status of the answer, or the limit that refused. Each call asks for a message to another token. */
  async function ask(headers: Record<string, string> = {}): Promise<number | string> {
    blocked.length = 0;
    asked += 1;
    const body = headers['x-user']
      ? { purpose: 'login' }
      : { purpose: 'open', token: `user${asked}@example.com` };
    const { status } = await http.post('/2factor/request-confirmation', body, headers);
    return status === 429 ? blocked.join() : status;
  }
  const askTimes = async (times: number, headers: Record<string, string> = {}): Promise<void> => {
    for (let time = 0; time < times; time += 1) expect(await ask(headers)).toBe(200);
  };
  const forwarded = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

  it('is the IP address when the application names none, and its limit is not that of a subject', async () => {
    await start();
    await askTimes(2);

    expect(await ask()).toBe('sends-per-requester');
    await askTimes(3, { 'x-user': 'ann' });
    expect(await ask()).toBe('sends-per-requester');
  });

  it.each(['203.0.113.7:51234', '[2001:db8::1]:443', '[2001:db8::1]'])(
    'is the address of %s, where a trusted proxy reports it beside a port',
    async (reported) => {
      await start(LIMITS, true);
      const warned = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
      await askTimes(2, forwarded(reported));

      expect(await ask(forwarded(reported))).toBe('sends-per-requester');
      // Another visitor is not concerned.
      expect(await ask(forwarded('198.51.100.9:1024'))).toBe(200);
      expect(warned).not.toHaveBeenCalled();
    },
  );

  it.each(['x-real-ip', 'forwarded'])(
    'is unknown behind an untrusted proxy that reports by %s, and the log says so once',
    async (name) => {
      await start();
      const warned = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
      await askTimes(4, { [name]: 'for=203.0.113.7' });

      expect(await ask({ [name]: 'for=203.0.113.7' })).toBe('sends-per-network');
      expect(warned.mock.calls.map(([line]) => String(line))).toEqual([
        expect.stringContaining('Requests come from a proxy with a private address'),
      ]);
    },
  );

  it('is unknown without an address, and the log says so once', async () => {
    await start(LIMITS, true);
    const warned = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await askTimes(4, forwarded('unix:'));

    expect(await ask(forwarded('unix:'))).toBe('sends-per-network');
    expect(warned.mock.calls.map(([line]) => String(line))).toEqual([
      expect.stringContaining('Requests have no IP address'),
    ]);
  });

  it('is ten messages an hour with the default limits', async () => {
    await start({});
    await askTimes(10);

    expect(await ask()).toBe('sends-per-requester');
    http.clock.advance(3_600);
    expect(await ask()).toBe(200);
  });

  it('is counted for a message that is sent again', async () => {
    await start();
    const { id } = await http.request({ purpose: 'open', token: 'again@example.com' });
    await askTimes(1);
    http.clock.advance(30);

    const again = await http.post('/2factor/resend', { id });
    expect(again).toBeProblem(429, 'too-many-requests', { retryAfter: 600 });
    expect(blocked).toEqual(['sends-per-requester']);
  });

  it('is the forwarded address when the application trusts the proxy', async () => {
    await start(LIMITS, true);
    await askTimes(2, forwarded('198.51.100.1'));
    expect(await ask(forwarded('198.51.100.1'))).toBe('sends-per-requester');
    expect(await ask(forwarded('::ffff:198.51.100.1'))).toBe('sends-per-requester');
    await askTimes(2, forwarded('198.51.100.2'));
    expect(await ask(forwarded('198.51.100.3'))).toBe('sends-per-network');
    expect(await ask(forwarded('198.51.101.3'))).toBe(200);

    await askTimes(2, forwarded('2001:db8:1:2::1'));
    expect(await ask(forwarded('2001:db8:1:2:ffff::1'))).toBe('sends-per-requester');
    await askTimes(2, forwarded('2001:db8:1:3::1'));
    expect(await ask(forwarded('2001:db8:1:4::1'))).toBe('sends-per-network');
    expect(await ask(forwarded('2001:db8:2:4::1'))).toBe(200);
    // What a client writes into the header counts nothing: the proxy appends the address that it sees.
    // Of the two limits that 198.51.100.1 has used up, the first by name is reported.
    expect(await ask(forwarded('203.0.113.77, 198.51.100.1'))).toBe('sends-per-network');
    expect(await ask(forwarded('no address'))).toBe(200);
  });

  it('is unknown when a proxy with a private address is not trusted, which is logged once', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn');
    await start();
    const warnings = (): unknown[] =>
      warn.mock.calls.filter(([line]) => String(line).includes('trust proxy'));
    expect(warnings()).toHaveLength(0);

    for (const client of [1, 2, 3, 4])
      expect(await ask(forwarded(`198.51.100.${client}`))).toBe(200);
    expect(await ask(forwarded('203.0.113.1'))).toBe('sends-per-network');
    expect(warnings()).toHaveLength(1);
    // They share one budget, which is neither a known requester's nor a subject's.
    await askTimes(1);
    await askTimes(3, { ...forwarded('203.0.113.1'), 'x-user': 'ann' });
    expect(warnings()).toHaveLength(1);
  });

  it('is what the application returns, by name or as an address', async () => {
    await start({ ...LIMITS, requester: async (context) => headerOf(context, 'x-session') ?? '' });
    await askTimes(2, { 'x-session': 'session-1' });
    expect(await ask({ 'x-session': 'session-1' })).toBe('sends-per-requester');
    await askTimes(2, { 'x-session': 'session-2' });
    await askTimes(2, { 'x-session': '192.0.2.1' });
    await askTimes(2, { 'x-session': '::ffff:192.0.2.2' });
    expect(await ask({ 'x-session': '192.0.2.3' })).toBe('sends-per-network');
  });

  it.each([[null], [undefined], ['']])(
    'is unknown when the application returns %j',
    async (none) => {
      await start({ ...LIMITS, requester: () => none });
      await askTimes(4);

      expect(await ask()).toBe('sends-per-network');
      await askTimes(1, { 'x-user': 'ann' });
    },
  );

  it.each([[5], [{}], [['192.0.2.1']], [true]])(
    'is refused as a mistake of the application when it returns %j',
    async (requester) => {
      await start({ ...LIMITS, requester: () => requester as never });

      const { status, body } = await http.post('/2factor/request-confirmation', {
        purpose: 'open',
        token: 'ann@example.com',
      });
      expect([status, body]).toMatchObject([500, { error: 'invalid-configuration' }]);
      expect(http.inbox.deliveries).toEqual([]);
    },
  );
});
