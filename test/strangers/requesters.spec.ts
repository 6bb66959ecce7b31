/**
 * The requester of a message over HTTP, on Express and Fastify. It proves that no request goes uncounted: an unknown requester has
 * one small budget together with all other unknown ones, an address counts under each of its networks, and a client cannot
 * choose the address that it is counted under.
 */
import type { LoggerService } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, describe, expect, it } from 'vitest';

import type { LimitsOptions } from '../../lib/index.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { refusal } from '../support/refusal.js';

/** Budgets for an hour, by default. */
const OF_AN_ADDRESS = 10;
const OF_A_56 = 30;
const OF_A_NETWORK = 60;
const OF_ALL_UNKNOWN = 60;

class WarningsOnly implements LoggerService {
  readonly warnings: string[] = [];
  log(): void {}
  error(): void {}
  warn(message: string): void {
    this.warnings.push(message);
  }
}

interface Peer {
  address: string;
}

let test: HttpTestApp;
let logger: WarningsOnly;
/** The address of the connection, as the server sees it: the client's, or the proxy's in front. */
let peer: Peer;
let next = 0;

afterEach(() => test.close());

async function start(
  adapter: AbstractHttpAdapter,
  limits: LimitsOptions = {},
  trustProxy?: string,
): Promise<void> {
  logger = new WarningsOnly();
  test = await startHttpApp({
    engine: 'sqljs',
    adapter,
    options: { controller: true, limits },
    override: (builder) => builder.setLogger(logger),
    configure: (app) => {
      if (trustProxy !== undefined && adapter instanceof ExpressAdapter) {
        (app as NestExpressApplication).set('trust proxy', trustProxy);
      }
    },
  });
  const address = { address: '127.0.0.1' };
  peer = address;
  const server = test.app.getHttpServer() as {
    on(event: 'connection', listener: (socket: object) => void): void;
  };
  server.on('connection', (socket) => {
    Object.defineProperty(socket, 'remoteAddress', { get: () => address.address });
  });
}

/** One message to a token that no other one went to. */
async function ask(headers: Record<string, string> = {}): Promise<number> {
  const token = `requested${(next += 1)}@example.com`;
  return (await test.post('/2factor/request-confirmation', { token }, headers)).status;
}

/** How many messages go out before one is refused, of at most 80 that are asked for. */
async function sentBy(request: (index: number) => Promise<number>): Promise<number> {
  for (let sent = 0; sent < 80; sent += 1) {
    const status = await request(sent);
    if (status === 429) return sent;
    expect(status).toBe(200);
  }
  return Number.POSITIVE_INFINITY;
}

const hex = (value: number): string => value.toString(16);

describe.each(adapters)('The requester of a message, on $name', ({ create, name }) => {
  const trusting = (): AbstractHttpAdapter =>
    name === 'Fastify' ? new FastifyAdapter({ trustProxy: '127.0.0.1' }) : create();

  it.each([
    ['null', () => null],
    ['undefined', () => undefined],
    ['an empty text', () => ''],
    ['a promise of null', async () => null],
  ])(
    'counts all unknown requesters together when the resolver answers %s',
    async (_, requester) => {
      await start(create(), { requester });
      const addresses = ['198.51.100.1', '2001:db8::1', '10.0.0.1'];

      const sent = await sentBy((index) => {
        peer.address = addresses[index % addresses.length]!;
        return ask();
      });

      expect(sent).toBe(OF_ALL_UNKNOWN);
      // A service call that names no requester is one of them, and one that names a requester is not.
      const request = { token: `requested${(next += 1)}@example.com` };
      const { twoFactor } = test;
      expect(await refusal(twoFactor.request(request))).toMatchObject({ 1: 'sends-per-network' });
      expect(await refusal(twoFactor.request({ ...request, requester: '203.0.113.1' }))).toBe(
        'accepted',
      );
    },
  );

  it('counts the address of the request when there is no resolver', async () => {
    await start(create());
    peer.address = '198.51.100.1';
    expect(await sentBy(() => ask())).toBe(OF_AN_ADDRESS);
    peer.address = '198.51.101.1';
    expect(await sentBy(() => ask())).toBe(OF_AN_ADDRESS);
    expect(logger.warnings).toEqual([]);
  });

  it('counts a resend as a message of the address that asks for it', async () => {
    await start(create());
    peer.address = '198.51.100.1';
    const { id } = await test.request({ token: `requested${(next += 1)}@example.com` });
    test.clock.advance(30);
    expect(await sentBy(() => ask())).toBe(OF_AN_ADDRESS - 1);
    const { status } = await test.post('/2factor/resend', { id });
    expect(status).toBe(429);
    peer.address = '198.51.101.1';
    expect((await test.post('/2factor/resend', { id })).status).toBe(200);
  });

  it('counts the addresses of one IPv4 /24 together, and the next /24 apart', async () => {
    await start(create());
    const sent = await sentBy((index) => {
      peer.address = `198.51.100.${index}`;
      return ask();
    });
    expect(sent).toBe(OF_A_NETWORK);
    peer.address = '198.51.101.1';
    expect(await ask()).toBe(200);
  });

  it.each([
    ['/64', OF_AN_ADDRESS, (index: number) => `2001:db8:7:1::${hex(index)}`, '2001:db8:7:2::1'],
    ['/56', OF_A_56, (index: number) => `2001:db8:7:1${hex(index + 16)}::1`, '2001:db8:7:200::1'],
    ['/48', OF_A_NETWORK, (index: number) => `2001:db8:7:${hex(index * 256)}::1`, '2001:db8:8::1'],
  ])(
    'counts the addresses of one IPv6 %s together, and the next one apart',
    async (_, max, of, outside) => {
      await start(create());
      const sent = await sentBy((index) => {
        peer.address = of(index);
        return ask();
      });
      expect(sent).toBe(max);
      peer.address = outside;
      expect(await ask()).toBe(200);
    },
  );

  it('counts all spellings of an address as one', async () => {
    await start(create());
    const spellings = [
      '192.0.2.9',
      '::ffff:192.0.2.9',
      '::FFFF:c000:209',
      '0:0:0:0:0:ffff:c000:0209',
      '0000:0000:0000:0000:0000:FFFF:192.0.2.9',
    ];
    const sent = await sentBy((index) => {
      peer.address = spellings[index % spellings.length]!;
      return ask();
    });
    expect(sent).toBe(OF_AN_ADDRESS);

    const others = ['2001:db8::9', '2001:DB8:0:0:0:0:0:9', '2001:0db8::0:9', '2001:db8::9%eth0'];
    const sentToOthers = await sentBy((index) => {
      peer.address = others[index % others.length]!;
      return ask();
    });
    expect(sentToOthers).toBe(OF_AN_ADDRESS);
  });

  it('counts all clients as unknown, and warns once, behind a proxy that the application does not trust', async () => {
    await start(create());
    const proxies = ['10.1.2.3', '::ffff:10.1.2.3', '127.0.0.1', '::1', 'fd00::7', '192.168.3.4'];

    const sent = await sentBy((index) => {
      peer.address = proxies[index % proxies.length]!;
      return ask({ 'x-forwarded-for': `203.0.${index}.1` });
    });

    expect(sent).toBe(OF_ALL_UNKNOWN);
    expect(logger.warnings).toEqual([expect.stringContaining('trust proxy')]);
  });

  it("counts the client's address behind a proxy that the application trusts, whatever the client claims", async () => {
    await start(trusting(), {}, '127.0.0.1');
    peer.address = '127.0.0.1';
    // The proxy appends the address that it sees to what the client sent.
    const from = (address: string) => (index: number) =>
      ask({ 'x-forwarded-for': `203.0.${index}.1, ${address}` });

    expect(await sentBy(from('198.51.100.1'))).toBe(OF_AN_ADDRESS);
    expect(await sentBy(from('198.51.101.1'))).toBe(OF_AN_ADDRESS);
    expect(logger.warnings).toEqual([]);
  });

  it("counts the connection's address when a client without a proxy sends X-Forwarded-For itself", async () => {
    await start(create());
    peer.address = '198.51.100.1';
    expect(await sentBy((index) => ask({ 'x-forwarded-for': `203.0.${index}.1` }))).toBe(
      OF_AN_ADDRESS,
    );
    expect(logger.warnings).toEqual([]);
  });

  it.each([
    ['X-Real-IP', 'x-real-ip'],
    ['Forwarded', 'forwarded'],
    ['CF-Connecting-IP', 'cf-connecting-ip'],
    ['True-Client-IP', 'true-client-ip'],
  ])("counts the connection's address when a client sends %s", async (_, header) => {
    await start(create());
    peer.address = '198.51.100.1';
    const value = (index: number): string =>
      header === 'forwarded' ? `for=203.0.${index}.1` : `203.0.${index}.1`;
    expect(await sentBy((index) => ask({ [header]: value(index) }))).toBe(OF_AN_ADDRESS);
  });

  it('counts what is no address under its own text, when the resolver names sessions', async () => {
    let session = 'one';
    await start(create(), { requester: () => session });
    expect(await sentBy(() => ask())).toBe(OF_AN_ADDRESS);
    session = 'another';
    expect(await sentBy(() => ask())).toBe(OF_AN_ADDRESS);
  });
});
