/**
 * Guarded handlers of an application that declares no exception filter. Over each transport the client receives the refusal with its
 * slug, and the log has one line for it: at level `error` when the server is at fault.
 */
import { randomUUID } from 'node:crypto';

import {
  Catch,
  Controller,
  Post,
  UseFilters,
  type ExceptionFilter,
  type INestApplication,
  type LoggerService,
} from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { GraphQLModule, Mutation, Query, Resolver } from '@nestjs/graphql';
import {
  ClientProxyFactory,
  GrpcMethod,
  MessagePattern,
  Transport,
  type ClientOptions,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { lastValueFrom, throwError } from 'rxjs';
import { io } from 'socket.io-client';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import {
  RequireConfirmation,
  TwoFactorError,
  TwoFactorExceptionFilter,
  type Problem,
  type PurposeDefinition,
} from '../../lib/index.js';
import { found } from '../support/engines.js';
import { freePort } from '../support/free-port.js';
import { adapters } from '../support/http.js';
import { listen } from '../support/listen.js';
import { startApp, type TestApp, type TestAppInput } from '../support/test-app.js';
import { grpcOptions, overGrpc, SERVICE } from './grpc-client.js';

/** What a client sees of a refusal. */
type Refusal = Partial<Problem>;
type Ask = (route: 'guarded' | 'faulty') => Promise<Refusal>;

class Lines implements LoggerService {
  readonly errors: string[] = [];
  readonly details: string[] = [];
  log(): void {}
  warn(): void {}
  error(line: unknown): void {
    this.errors.push(String(line));
  }
  debug(line: unknown): void {
    this.details.push(String(line));
  }
}

const purposes: Record<string, PurposeDefinition> = {
  transfer: { subject: () => 'ann', recipient: () => 'ann@example.com' },
  // The application's own fault.
  faulty: { subject: () => 7 as unknown as string, recipient: () => 'ann@example.com' },
};

/** The two routes, without a filter. */
function bareRoutes(
  serves: ClassDecorator,
  route: (name: string) => MethodDecorator,
): new () => object {
  const options = { confirmationId: () => '' };

  @serves
  class BareRoutes {
    @route('guarded')
    @RequireConfirmation('transfer', options)
    guarded(): object {
      return { value: 'paid' };
    }

    @route('faulty')
    @RequireConfirmation('faulty', { ...options, confirmationId: () => '0'.repeat(36) })
    faulty(): object {
      return { value: 'paid' };
    }
  }
  return BareRoutes;
}

let test: TestApp | undefined;
let lines: Lines;
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await test?.close();
});

async function start(input: TestAppInput): Promise<INestApplication> {
  lines = new Lines();
  test = await startApp({
    options: { purposes },
    override: (builder) => builder.setLogger(lines),
    ...input,
  });
  return test.app;
}

async function startMicroservice(
  options: MicroserviceOptions,
  type: new () => object,
): Promise<void> {
  const app = await start({
    controllers: [type],
    configure: (made) => void made.connectMicroservice(options),
  });
  await app.startAllMicroservices();
}

async function askBy(options: ClientOptions, prefix = ''): Promise<Ask> {
  const client = ClientProxyFactory.create(options);
  await client.connect();
  closing.push(() => client.close());
  return (route) =>
    lastValueFrom(client.send<Refusal>(prefix + route, {})).catch(
      (error: unknown) => error as Refusal,
    );
}

async function overHttp(adapter: (typeof adapters)[number], filters: 0 | 1): Promise<Ask> {
  const type = bareRoutes(Controller(), (name) => Post(name));
  if (filters === 1) UseFilters(TwoFactorExceptionFilter)(type);
  const app = await start({ adapter: adapter.create(), controllers: [type] });
  const origin = await listen(app);
  return async (route) =>
    (await fetch(`${origin}/${route}`, { method: 'POST' })).json() as Promise<Refusal>;
}

async function overGraphQl(): Promise<Ask> {
  @Resolver()
  class HealthResolver {
    @Query(() => String)
    health(): string {
      return 'well';
    }
  }
  const type = bareRoutes(Resolver(), (name) => Mutation(() => String, { name, nullable: true }));
  const driver = { driver: ApolloDriver, autoSchemaFile: true, playground: false };
  const app = await start({
    imports: [GraphQLModule.forRoot<ApolloDriverConfig>(driver)],
    providers: [HealthResolver, type],
  });
  const origin = await listen(app);
  return async (route) => {
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: `mutation { ${route} }` }),
    });
    const { errors } = (await response.json()) as {
      errors: { message: string; extensions: Refusal & { code: string } }[];
    };
    const [{ message, extensions }] = errors as [(typeof errors)[0]];
    expect([message, extensions.code]).toEqual([extensions.title, extensions.error]);
    return extensions;
  };
}

const gateway = (): new () => object =>
  bareRoutes(WebSocketGateway(), (name) => SubscribeMessage(name));

async function overSocketIo(isAcknowledged: boolean): Promise<Ask> {
  const app = await start({
    providers: [gateway()],
    configure: (made) => void made.useWebSocketAdapter(new IoAdapter(made)),
  });
  const socket = io(await listen(app), { transports: ['websocket'], forceNew: true });
  closing.push(() => socket.close());
  await new Promise((resolve) => {
    socket.once('connect', () => resolve(undefined));
  });
  const eventOf = (): Promise<Refusal> =>
    new Promise((resolve) => socket.once('exception', resolve));
  return (route) => {
    const event = eventOf();
    if (!isAcknowledged) {
      socket.emit(route, {});
      return event;
    }
    // A refusal that comes as an event instead leaves the acknowledgement open for ever.
    const unacknowledged = event.then(() => expect.fail('The message was not acknowledged.'));
    return Promise.race([socket.emitWithAck(route, {}) as Promise<Refusal>, unacknowledged]);
  };
}

async function overWs(): Promise<Ask> {
  const app = await start({
    providers: [gateway()],
    configure: (made) => void made.useWebSocketAdapter(new WsAdapter(made)),
  });
  const socket = new WebSocket((await listen(app)).replace('http', 'ws'));
  closing.push(() => socket.close());
  await new Promise((resolve) => {
    socket.once('open', resolve);
  });
  return (event) =>
    new Promise((resolve) => {
      socket.once('message', (text: Buffer) =>
        resolve((JSON.parse(text.toString('utf8')) as { data: Refusal }).data),
      );
      socket.send(JSON.stringify({ event, data: {} }));
    });
}

async function overTcp(): Promise<Ask> {
  const options = { host: '127.0.0.1', port: await freePort() };
  const type = bareRoutes(Controller(), (name) => MessagePattern(name));
  await startMicroservice({ transport: Transport.TCP, options }, type);
  return askBy({ transport: Transport.TCP, options });
}

async function overRedis(): Promise<Ask> {
  const prefix = `bare-${randomUUID()}-`;
  const { hostname: host, port } = new URL(found.redis!);
  const options = { host, port: Number(port || 6379) };
  const type = bareRoutes(Controller(), (name) => MessagePattern(prefix + name));
  await startMicroservice({ transport: Transport.REDIS, options }, type);
  return askBy({ transport: Transport.REDIS, options }, prefix);
}

async function overBareGrpc(): Promise<Ask> {
  const port = await freePort();
  const type = bareRoutes(Controller(), (name) => GrpcMethod(SERVICE, name));
  await startMicroservice(grpcOptions(port), type);
  const client = overGrpc(port);
  closing.push(() => client.close());
  return async (route) => (await client.call(route, {})).problem ?? {};
}

const TRANSPORTS: readonly { name: string; open: () => Promise<Ask> }[] = [
  ...adapters.map((adapter) => ({ name: adapter.name, open: () => overHttp(adapter, 0) })),
  ...adapters.map((adapter) => ({
    name: `${adapter.name}, with the filter`,
    open: () => overHttp(adapter, 1),
  })),
  { name: 'GraphQL', open: overGraphQl },
  { name: 'Socket.IO', open: () => overSocketIo(false) },
  { name: 'Socket.IO with acknowledgements', open: () => overSocketIo(true) },
  { name: 'ws', open: overWs },
  { name: 'TCP', open: overTcp },
  { name: 'gRPC', open: overBareGrpc },
  ...(found.redis === undefined ? [] : [{ name: 'Redis', open: overRedis }]),
];

describe.each(TRANSPORTS)('A guarded handler without a filter, over $name', ({ open }) => {
  it('sends the slug of a refusal to the client, and logs its reason once', async () => {
    const ask = await open();
    expect(await ask('guarded')).toMatchObject({
      type: 'urn:nestjs-two-factor:confirmation-required',
      title: 'This needs a confirmation.',
      status: 403,
      error: 'confirmation-required',
    });
    expect(lines.errors).toEqual([]);
    const reasons = lines.details.filter((line) =>
      /There is no header x-confirmation-id|confirmationId returned none/.test(line),
    );
    expect(reasons).toHaveLength(1);
  });

  it('logs a fault of the server once, and sends nothing of it to the client', async () => {
    const ask = await open();
    const answer = await ask('faulty');
    expect(answer).toMatchObject({ status: 500, error: 'invalid-configuration' });
    expect(JSON.stringify(answer)).not.toMatch(/resolver|number/);
    expect(lines.errors).toHaveLength(1);
    expect(lines.errors[0]).toContain(
      'The subject resolver of purpose "faulty" answered a number.',
    );
    expect(lines.errors[0]).toContain(answer.instance);
  });
});

describe('A filter of the application', () => {
  @Catch(TwoFactorError)
  class OwnFilter implements ExceptionFilter {
    catch({ code }: TwoFactorError): unknown {
      return throwError(() => ({ own: code }));
    }
  }

  it.each(['class', 'method'] as const)('is asked first when it is on the %s', async (place) => {
    const port = await freePort();
    const type = bareRoutes(Controller(), (name) => MessagePattern(name));
    if (place === 'class') UseFilters(new OwnFilter())(type);
    else {
      const { prototype } = type as { prototype: object };
      const method = Object.getOwnPropertyDescriptor(prototype, 'guarded')!;
      UseFilters(new OwnFilter())(prototype, 'guarded', method);
    }
    const options = { host: '127.0.0.1', port };
    await startMicroservice({ transport: Transport.TCP, options }, type);
    const ask = await askBy({ transport: Transport.TCP, options });
    expect(await ask('guarded')).toEqual({ own: 'confirmation-required' });
  });
});
