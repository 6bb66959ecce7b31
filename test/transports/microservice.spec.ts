import { Controller, UseFilters, type ExecutionContext } from '@nestjs/common';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type Problem,
} from '../../lib/index.js';
import { freePort } from '../support/free-port.js';
import { startApp } from '../support/test-app.js';
import { describeTransport, type Outcome, type TransportClient } from './guarded-transport.js';
import { Bank, purposesFor, routes, type TransferCall } from './transfers.js';

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

  const connect = async (user?: string): Promise<TransportClient> => {
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
  };
  return { ...test, connect };
});
