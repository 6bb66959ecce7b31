import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Controller, type ExecutionContext } from '@nestjs/common';
import {
  Args,
  ArgsType,
  Field,
  GqlExecutionContext,
  GraphQLModule,
  Mutation,
  Query,
  Resolver,
} from '@nestjs/graphql';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';

import type { Problem } from '../../lib/index.js';
import { freePort } from '../support/free-port.js';
import { listen } from '../support/listen.js';
import { transferRoutes } from '../transports/transfer-routes.js';
import { Bank, prove, purposesFor, TEN, type TransferCall } from '../transports/transfers.js';
import { openApplication, type Application } from './application.js';
import { fresh, type Entry } from './entry.js';

/** In 100 kB, even where each character is half a surrogate pair that is escaped twice. */
const MAX_ARGUMENT = 12_000;

type Call = (route: 'guarded' | 'request' | 'confirm', call: TransferCall) => Promise<string>;

interface Opened {
  readonly application: Application;
  /** Calls a route as Ann, and says what it came to. */
  readonly call: Call;
}

/** The arguments of microservices and of GraphQL. */
export async function transportEntries(): Promise<Entry[]> {
  const opened = { TCP: await openMicroservice(), GraphQL: await openGraphQl() };
  return Object.entries(opened).flatMap(([name, transport]) => entriesOf(name, transport));
}

function entriesOf(transport: string, { application, call }: Opened): Entry[] {
  const { confirmer } = application;
  const entry = (name: string, maxLength: number, reaches: string, feed: Entry['feed']): Entry => ({
    name: `${transport}, ${name}`,
    maxLength,
    reaches,
    feed,
  });
  return [
    entry('the id of a proof', MAX_ARGUMENT, 'invalid-request', (proof) =>
      call('guarded', { ...TEN, proof }),
    ),
    entry('the details of a guarded call', 3_900, 'done', async (payee) => {
      const details = { amount: '10.00', payee };
      return call('guarded', { ...details, proof: await prove(confirmer, { details }) });
    }),
    entry('the details of a request', 3_900, 'done', (payee) => call('request', { payee })),
    entry('the id of a confirmation', MAX_ARGUMENT, 'invalid-request', (proof) =>
      call('confirm', { proof, code: '123456' }),
    ),
    entry('a code', 128, 'code-mismatch', async (code) => {
      const { id } = await confirmer.makeConfirmation({ token: `t${fresh()}@b.example` });
      return call('confirm', { proof: id, code });
    }),
  ];
}

interface Message extends TransferCall {
  readonly user?: string;
}

async function openMicroservice(): Promise<Opened> {
  const look = (context: ExecutionContext): Message => context.switchToRpc().getData<Message>();
  const { TransferRoutes } = transferRoutes({
    serves: Controller(),
    route: MessagePattern,
    body: Payload(),
    look,
  });
  const options = { host: '127.0.0.1', port: await freePort() };
  const application = await openApplication({
    options: { purposes: purposesFor((context) => look(context).user) },
    providers: [Bank],
    controllers: [TransferRoutes],
    configure: (app) =>
      void app.connectMicroservice<MicroserviceOptions>({ transport: Transport.TCP, options }),
  });
  await application.app.startAllMicroservices();
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
  await client.connect();
  return {
    application,
    call: async (route, call) => {
      try {
        await lastValueFrom(client.send(route, { user: 'ann', ...call }));
        return 'done';
      } catch (refusal) {
        return slugOf(refusal as Partial<Problem>);
      }
    },
  };
}

@ArgsType()
class TransferArgs implements TransferCall {
  @Field(() => String, { nullable: true })
  readonly proof?: string;

  @Field(() => String, { nullable: true })
  readonly code?: string;

  @Field(() => String, { nullable: true })
  readonly amount?: string;

  @Field(() => String, { nullable: true })
  readonly payee?: string;
}

/** A schema has to have a query. */
@Resolver()
class HealthResolver {
  @Query(() => String)
  health(): string {
    return 'well';
  }
}

async function openGraphQl(): Promise<Opened> {
  const body = Args({ type: () => TransferArgs });
  const { TransferRoutes } = transferRoutes({
    serves: Resolver(),
    route: (name) => Mutation(() => String, { name, nullable: true }),
    body,
    unread: body,
    look: (context) => GqlExecutionContext.create(context).getArgs<TransferCall>(),
  });
  const application = await openApplication({
    options: { purposes: purposesFor(() => 'ann') },
    imports: [
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        playground: false,
      }),
    ],
    providers: [Bank, HealthResolver, TransferRoutes],
  });
  const origin = await listen(application.app);
  return {
    application,
    call: async (route, call) => {
      const given = Object.entries(call).map(
        ([name, value]) => `${name}: ${JSON.stringify(value)}`,
      );
      const response = await fetch(`${origin}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: `mutation { ${route}(${given.join(', ')}) }` }),
      });
      const { data, errors } = (await response.json()) as {
        data?: Readonly<Record<string, unknown>> | null;
        errors?: readonly { readonly extensions: Partial<Problem> & { readonly code?: string } }[];
      };
      const extensions = errors?.[0]?.extensions;
      if (extensions === undefined && data?.[route] !== undefined) return 'done';
      if (extensions === undefined) throw new Error(`A call was answered ${response.status}.`);
      // GraphQL itself refuses half a surrogate pair.
      return extensions.code === 'GRAPHQL_PARSE_FAILED' ? extensions.code : slugOf(extensions);
    },
  };
}

function slugOf(problem: Partial<Problem>): string {
  if (problem.error === undefined || (problem.status ?? 500) >= 500)
    throw new Error(`A call ended with ${JSON.stringify(problem)}.`);
  return problem.error;
}
