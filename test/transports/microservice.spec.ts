import { randomUUID } from 'node:crypto';

import { Controller, type ExecutionContext } from '@nestjs/common';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload,
  Transport,
  type ClientOptions,
  type MicroserviceOptions,
  type RedisOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';

import {
  ConfirmerService,
  RequireConfirmation,
  TwoFactorModule,
  type Problem,
} from '../../lib/index.js';
import { METHODS } from '../support/authenticator.js';
import { found } from '../support/engines.js';
import { freePort } from '../support/free-port.js';
import { SECRET, startApp, StatementLog, TestClock } from '../support/test-app.js';
import { describeTransport, type Outcome, type TransportClient } from './guarded-transport.js';
import { transferRoutes } from './transfer-routes.js';
import { Bank, prove, purposesFor, TEN, type TransferCall } from './transfers.js';

/** Who a message is from says, among services, the service that sends it. */
interface TransferMessage extends TransferCall {
  readonly user?: string;
}

const look = (context: ExecutionContext): TransferMessage =>
  context.switchToRpc().getData<TransferMessage>();
const purposes = purposesFor((context) => look(context).user);

const { confirmationId, details, TransferRoutes, AccountRoutes } = transferRoutes({
  serves: Controller(),
  route: MessagePattern,
  body: Payload(),
  look,
});

describeTransport('TCP', async (engine) => {
  const port = await freePort();
  const options: MicroserviceOptions = {
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  };
  const test = await startApp({
    engine,
    options: { methods: METHODS, purposes },
    providers: [Bank],
    controllers: [TransferRoutes, AccountRoutes],
    configure: (app) => void app.connectMicroservice(options, { inheritAppConfig: true }),
  });
  await test.app.startAllMicroservices();

  return { ...test, connect: (user) => connect(port, user) };
});

function connect(port: number, user?: string): Promise<TransportClient> {
  return connectTo({ transport: Transport.TCP, options: { host: '127.0.0.1', port } }, user);
}

async function connectTo(
  options: ClientOptions,
  user?: string,
  prefix = '',
): Promise<TransportClient> {
  const client = ClientProxyFactory.create(options);
  await client.connect();
  return {
    close: () => client.close(),
    call: async (route, body): Promise<Outcome> => {
      try {
        const message = { user, ...body };
        const value: unknown = await lastValueFrom(client.send(prefix + route, message));
        return { value, wire: value };
      } catch (error) {
        return { problem: error as Problem, wire: error };
      }
    },
  };
}

/** Other tests of this machine use the same Redis, and a message reaches every server that listens to its pattern. */
const CHANNEL = `bank-${randomUUID()}-`;
const { hostname, port: redisPort } = new URL(found.redis ?? 'redis://127.0.0.1:6379');
const REDIS: RedisOptions = {
  transport: Transport.REDIS,
  options: { host: hostname, port: Number(redisPort || 6379) },
};

const overRedis = transferRoutes({
  serves: Controller(),
  route: (name) => MessagePattern(CHANNEL + name),
  body: Payload(),
  look,
});

describe.each(found.redis === undefined ? [] : [CHANNEL])('The broker', (channel) => {
  describeTransport('Redis', async (engine) => {
    const test = await startApp({
      engine,
      options: { methods: METHODS, purposes },
      providers: [Bank],
      controllers: [overRedis.TransferRoutes, overRedis.AccountRoutes],
      configure: (app) => void app.connectMicroservice(REDIS, { inheritAppConfig: true }),
    });
    await test.app.startAllMicroservices();
    return { ...test, connect: (user) => connectTo(REDIS, user, channel) };
  });
});

/** Without the filter. */
@Controller()
class BareConsumer {
  @MessagePattern('guarded')
  @RequireConfirmation('transfer', { confirmationId, details })
  guarded(): string {
    return 'paid';
  }
}

describe('An application that is a microservice and nothing else', () => {
  it.each([
    [TransferRoutes, { error: 'confirmation-required', status: 403 }],
    [BareConsumer, { error: 'confirmation-required', status: 403 }],
  ])('refuses and lets through with %o', async (controller, refusal) => {
    const port = await freePort();
    const [clock, log] = [new TestClock(), new StatementLog()];
    const module = await Test.createTestingModule({
      imports: [
        TypeOrmModule.forRoot({
          type: 'sqljs',
          autoLoadEntities: true,
          synchronize: true,
          logger: log,
        }),
        TwoFactorModule.forRoot({
          secret: SECRET,
          senders: { default: { backend: () => async () => undefined } },
          autoPurge: false,
          methods: METHODS,
          purposes,
          clock,
        }),
      ],
      providers: [Bank],
      controllers: [controller],
    }).compile();
    const app = module.createNestMicroservice<MicroserviceOptions>({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port },
      logger: false,
    });
    await app.listen();
    try {
      const ann = await connect(port, 'ann');
      expect((await ann.call('guarded', TEN)).wire).toMatchObject(refusal);
      const proof = await prove(app.get(ConfirmerService));
      expect(await ann.call('guarded', { ...TEN, proof })).toMatchObject({ value: 'paid' });
      expect((await ann.call('guarded', { ...TEN, proof })).value).toBeUndefined();
      await ann.close();
    } finally {
      await app.close();
    }
  });
});
