import { UseFilters, type ExecutionContext, type INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import {
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  type OnGatewayConnection,
} from '@nestjs/websockets';
import { io, type Socket } from 'socket.io-client';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type Problem,
} from '../../lib/index.js';
import { METHODS } from '../support/authenticator.js';
import { listen } from '../support/listen.js';
import { startApp } from '../support/test-app.js';
import {
  describeTransport,
  type Outcome,
  type RunningTransport,
  type TransportClient,
} from './guarded-transport.js';
import { transferRoutes } from './transfer-routes.js';
import { Bank, prove, purposesFor, TEN, type TransferCall } from './transfers.js';

/** The user's name is in the address; a real gateway would read the session. */
const users = new WeakMap<object, string>();
const userOf = (context: ExecutionContext): string | undefined =>
  users.get(context.switchToWs().getClient<object>());

@WebSocketGateway()
class Door implements OnGatewayConnection {
  handleConnection(client: object, request?: { url: string }): void {
    const { handshake } = client as { handshake?: { query: { user?: string } } };
    const user =
      handshake?.query.user ?? new URL(request?.url ?? '', 'ws://x').searchParams.get('user');
    if (user) users.set(client, user);
  }
}

const { confirmationId, details, TransferRoutes, AccountRoutes } = transferRoutes({
  serves: WebSocketGateway(),
  route: SubscribeMessage,
  body: MessageBody(),
  look: (context) => context.switchToWs().getData<TransferCall>(),
  answer,
});

function answer(data: unknown): object {
  return { event: 'answer', data };
}

/** Answers bear no number: as many calls as are open get as many messages, whichever is whose. */
class Waiting {
  readonly #waiting: ((outcome: Outcome) => void)[] = [];

  next(): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  take(event: string, data: unknown): void {
    const outcome = { wire: { event, data } };
    if (event === 'answer') return this.#waiting.shift()?.({ ...outcome, value: data });
    // The rest is the problem.
    const { cause: _cause, ...problem } = data as Partial<Problem> & { cause?: unknown };
    this.#waiting.shift()?.({ ...outcome, problem });
  }
}

/** A client that can also wait for a message that it did not ask for. */
interface SocketClient extends TransportClient {
  next(): Promise<Outcome>;
}

async function overWs(origin: string, user = ''): Promise<SocketClient> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/?user=${user}`);
  const waiting = new Waiting();
  socket.on('message', (text: Buffer) => {
    const { event, data } = JSON.parse(text.toString('utf8')) as { event: string; data: unknown };
    waiting.take(event, data);
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject);
  });
  return {
    next: () => waiting.next(),
    close: () => socket.close(),
    call: (event, data) => {
      const outcome = waiting.next();
      socket.send(JSON.stringify({ event, data }));
      return outcome;
    },
  };
}

async function overSocketIo(origin: string, user = ''): Promise<SocketClient> {
  const socket: Socket = io(origin, { query: { user }, transports: ['websocket'], forceNew: true });
  const waiting = new Waiting();
  socket.onAny((event: string, data: unknown) => waiting.take(event, data));
  await new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(undefined)).once('connect_error', reject);
  });
  return {
    next: () => waiting.next(),
    close: () => void socket.close(),
    call: (event, data) => {
      const outcome = waiting.next();
      socket.emit(event, data);
      return outcome;
    },
  };
}

/** A client that waits for the acknowledgement of each message, as most clients of Socket.IO do. */
async function overAcknowledgements(origin: string, user = ''): Promise<TransportClient> {
  const socket: Socket = io(origin, { query: { user }, transports: ['websocket'], forceNew: true });
  const waiting = new Set<(outcome: Outcome) => void>();
  const answer = (resolve: ((outcome: Outcome) => void) | undefined, outcome: Outcome): void => {
    waiting.delete(resolve!);
    resolve?.(outcome);
  };
  const oldest = (): ((outcome: Outcome) => void) | undefined => [...waiting][0];
  // Nest's own filter acknowledges nothing: an error that is not of this package reaches the client as an event, which
  // does not say to which call it belongs.
  socket.on('exception', (wire: object) => {
    expect(wire).not.toHaveProperty('type');
    answer(oldest(), { wire });
  });
  await new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(undefined)).once('connect_error', reject);
  });
  return {
    close: () => void socket.close(),
    call: (event, data) =>
      new Promise<Outcome>((resolve) => {
        waiting.add(resolve);
        socket.emit(event, data, (wire: unknown) => {
          // An event that belongs to another call may have answered this one: the other call would wait for ever.
          answer(
            waiting.has(resolve) ? resolve : oldest(),
            typeof wire === 'string' ? { value: wire, wire } : { problem: wire as Problem, wire },
          );
        });
      }),
  };
}

const flavours = [
  { name: 'ws', Adapter: WsAdapter, connect: overWs },
  { name: 'Socket.IO', Adapter: IoAdapter, connect: overSocketIo },
];

for (const { name, Adapter, connect } of flavours) {
  describeTransport(name, async (engine): Promise<RunningTransport> => {
    const test = await startApp({
      engine,
      options: { methods: METHODS, purposes: purposesFor(userOf) },
      providers: [Bank, Door, TransferRoutes, AccountRoutes],
      configure: (app: INestApplication) => void app.useWebSocketAdapter(new Adapter(app)),
    });
    const origin = await listen(test.app);
    return { ...test, connect: (user) => connect(origin, user) };
  });
}

const acknowledged = transferRoutes({
  serves: WebSocketGateway(),
  route: SubscribeMessage,
  body: MessageBody(),
  look: (context) => context.switchToWs().getData<TransferCall>(),
});

describeTransport('Socket.IO with acknowledgements', async (engine): Promise<RunningTransport> => {
  const test = await startApp({
    engine,
    options: { methods: METHODS, purposes: purposesFor(userOf) },
    providers: [Bank, Door, acknowledged.TransferRoutes, acknowledged.AccountRoutes],
    configure: (app) => void app.useWebSocketAdapter(new IoAdapter(app)),
  });
  const origin = await listen(test.app);
  return { ...test, connect: (user) => overAcknowledgements(origin, user) };
});

/** How often the handlers of both gateways ran. */
class Runs {
  count = 0;
}

@WebSocketGateway()
@UseFilters(TwoFactorExceptionFilter)
class FirstGateway {
  constructor(private readonly runs: Runs) {}

  @SubscribeMessage('twin')
  @RequireConfirmation('transfer', { confirmationId, details, useIn: 'handler' })
  first(@Confirmation() _proof: ConfirmationProof): object {
    this.runs.count += 1;
    return answer('ran');
  }
}

@WebSocketGateway()
@UseFilters(TwoFactorExceptionFilter)
class SecondGateway {
  constructor(private readonly runs: Runs) {}

  @SubscribeMessage('twin')
  @RequireConfirmation('transfer', { confirmationId, details, useIn: 'handler' })
  second(@Confirmation() _proof: ConfirmationProof): object {
    this.runs.count += 1;
    return answer('ran');
  }
}

describe('Two gateways that listen to one message', () => {
  it.each(flavours)('run one handler for one proof over $name', async ({ Adapter, connect }) => {
    const test = await startApp({
      options: { methods: METHODS, purposes: purposesFor(userOf) },
      providers: [Bank, Runs, Door, FirstGateway, SecondGateway],
      configure: (app) => void app.useWebSocketAdapter(new Adapter(app)),
    });
    try {
      const ann = await connect(await listen(test.app), 'ann');
      const proof = await prove(test.confirmer);
      const other = ann.next();
      const outcomes = await Promise.all([ann.call('twin', { ...TEN, proof }), other]);
      const refused = outcomes.find(({ problem }) => problem !== undefined);
      expect(refused).toBeRefused('confirmation-used');
      expect(refused?.wire).toHaveProperty('data.cause', { pattern: 'twin' });
      expect(outcomes.filter(({ value }) => value === 'ran')).toHaveLength(1);
      expect(test.app.get(Runs).count).toBe(1);
      await ann.close();
    } finally {
      await test.close();
    }
  });
});
