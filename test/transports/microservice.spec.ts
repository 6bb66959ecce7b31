import { Controller, UseFilters, type ExecutionContext } from '@nestjs/common';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  ConfirmerService,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  TwoFactorModule,
  type Problem,
} from '../../lib/index.js';
import { freePort } from '../support/free-port.js';
import { SECRET, startApp, StatementLog, TestClock } from '../support/test-app.js';
import { describeTransport, type Outcome, type TransportClient } from './guarded-transport.js';
import { Bank, PAYEE, purposesFor, routes, type TransferCall } from './transfers.js';

/** Who a message is from says, among services, the service that sends it. */
interface TransferMessage extends TransferCall {
  readonly user?: string;
  readonly code?: string;
}

const messageOf = (context: ExecutionContext): TransferMessage =>
  context.switchToRpc().getData<TransferMessage>();
const { from, details } = routes(messageOf);

@Controller()
@UseFilters(TwoFactorExceptionFilter)
class TransferConsumer {
  constructor(private readonly bank: Bank) {}

  @MessagePattern('request')
  request(@Payload() message: TransferMessage): Promise<string> {
    return this.bank.request(message);
  }

  @MessagePattern('confirm')
  confirm(@Payload() { proof, code = '' }: TransferMessage): Promise<string> {
    return this.bank.confirm(String(proof), code);
  }

  @MessagePattern('guarded')
  @RequireConfirmation('transfer', { from, details })
  guarded(): string {
    return this.bank.done();
  }

  @MessagePattern('transactional')
  @RequireConfirmation('transfer', { from, details, spend: 'handler' })
  transactional(
    @Payload() message: TransferMessage,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<string> {
    return this.bank.pay(proof, message);
  }

  @MessagePattern('forgetful')
  @RequireConfirmation('transfer', { from, details, spend: 'handler' })
  forgetful(): string {
    return this.bank.done();
  }

  @MessagePattern('broken')
  broken(@Payload() { proof }: TransferMessage): never {
    return this.bank.fail(proof);
  }
}

@Controller()
@UseFilters(TwoFactorExceptionFilter)
@RequireConfirmation('transfer', { from, details })
class AccountConsumer {
  constructor(private readonly bank: Bank) {}

  @MessagePattern('deleting')
  @RequireConfirmation('delete-account', { from })
  deleting(): string {
    return this.bank.done();
  }
}

describeTransport('TCP', async (engine) => {
  const port = await freePort();
  const options: MicroserviceOptions = {
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  };
  const test = await startApp({
    engine,
    options: { purposes: purposesFor((context) => messageOf(context).user) },
    providers: [Bank],
    controllers: [TransferConsumer, AccountConsumer],
    configure: (app) => void app.connectMicroservice(options, { inheritAppConfig: true }),
  });
  await test.app.startAllMicroservices();

  return { ...test, connect: (user) => connect(port, user) };
});

async function connect(port: number, user?: string): Promise<TransportClient> {
  const client = ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  });
  await client.connect();
  return {
    close: () => client.close(),
    call: async (route, body): Promise<Outcome> => {
      try {
        const value: unknown = await lastValueFrom(client.send(route, { user, ...body }));
        return { value, wire: value };
      } catch (error) {
        return { problem: error as Problem, wire: error };
      }
    },
  };
}

/** Without the filter. */
@Controller()
class BareConsumer {
  @MessagePattern('guarded')
  @RequireConfirmation('transfer', { from, details })
  guarded(): string {
    return 'paid';
  }
}

describe('An application that is a microservice and nothing else', () => {
  it.each([
    [TransferConsumer, { error: 'confirmation-required', status: 403 }],
    [BareConsumer, { status: 'error', message: 'Internal server error' }],
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
          purposes: purposesFor((context) => messageOf(context).user),
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
      const sum = { amount: '10.00', payee: PAYEE };
      expect((await ann.call('guarded', sum)).wire).toMatchObject(refusal);
      const { id: proof } = await app.get(ConfirmerService).makeConfirmation({
        purpose: 'transfer',
        subject: 'ann',
        details: sum,
        isConfirmed: true,
      });
      expect(await ann.call('guarded', { ...sum, proof })).toMatchObject({ value: 'paid' });
      expect((await ann.call('guarded', { ...sum, proof })).value).toBeUndefined();
      await ann.close();
    } finally {
      await app.close();
    }
  });
});
