import type { DynamicModule, ExecutionContext, Provider } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Args,
  ArgsType,
  Field,
  GqlExecutionContext,
  GraphQLModule,
  Mutation,
  ObjectType,
  Query,
  ResolveField,
  ResolveReference,
  Resolver,
} from '@nestjs/graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  type Problem,
} from '../../lib/index.js';
import { METHODS } from '../support/authenticator.js';
import { recordOutput, WRONG_CODE } from '../support/canaries.js';
import { engines, type EngineName } from '../support/engines.js';
import { NaiveConfirmation } from '../support/naive-confirmation.js';
import { listen } from '../support/listen.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { describeTransport, type Outcome, type RunningTransport } from './guarded-transport.js';
import { transferRoutes } from './transfer-routes.js';
import { Bank, prove, purposesFor, TEN, type TransferCall } from './transfers.js';

interface Context {
  readonly req: { readonly headers: Readonly<Record<string, string | undefined>> };
}

const userOf = (context: ExecutionContext): string | undefined =>
  GqlExecutionContext.create(context).getContext<Context>().req.headers['x-user'];

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

  @Field(() => Boolean, { nullable: true })
  readonly fails?: boolean;
}

const body = Args({ type: () => TransferArgs });

const { confirmationId, details, TransferRoutes, AccountRoutes } = transferRoutes({
  serves: Resolver(),
  route: (name) => Mutation(() => String, { name, nullable: true }),
  body,
  unread: body,
  look: (context) => GqlExecutionContext.create(context).getArgs<TransferCall>(),
});

/** GraphQL resolves the fields of a query side by side, and those of a mutation one after the other. */
@Resolver()
class StatementResolver {
  constructor(private readonly bank: Bank) {}

  @Query(() => String, { nullable: true })
  @RequireConfirmation('transfer', { confirmationId, details, useIn: 'handler' })
  statement(
    @Args({ type: () => TransferArgs }) _call: TransferArgs,
    @Confirmation() _proof: ConfirmationProof,
  ): string {
    return this.bank.done();
  }

  @Query(() => String, { nullable: true })
  @NaiveConfirmation({ confirmationId, details })
  naiveStatement(@Args({ type: () => TransferArgs }) _call: TransferArgs): Promise<string> {
    return this.bank.doneTogether();
  }
}

/** A schema has to have a query. */
@Resolver()
class HealthResolver {
  @Query(() => String)
  health(): string {
    return 'well';
  }
}

interface GraphQlApp extends RunningTransport {
  /** Posts one operation, and gives the whole answer. */
  post(query: string, user?: string): Promise<GraphQlAnswer>;
}

interface GraphQlAnswer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions: Partial<Problem> & {
      readonly code?: string;
      readonly stacktrace?: unknown;
    };
  }[];
}

const graphQl = (options: Partial<ApolloDriverConfig> = {}): DynamicModule =>
  GraphQLModule.forRoot<ApolloDriverConfig>({
    driver: ApolloDriver,
    autoSchemaFile: true,
    playground: false,
    ...options,
  });

interface StartInput {
  readonly providers?: readonly Provider[];
  readonly enhancers?: NonNullable<ApolloDriverConfig['fieldResolverEnhancers']>;
}

async function start(
  engine: EngineName,
  { providers = [], enhancers = [] }: StartInput = {},
): Promise<GraphQlApp> {
  const test = await startApp({
    engine,
    options: { methods: METHODS, purposes: purposesFor(userOf) },
    imports: [graphQl({ fieldResolverEnhancers: enhancers })],
    providers: [
      Bank,
      HealthResolver,
      StatementResolver,
      TransferRoutes,
      AccountRoutes,
      ...providers,
    ],
  });
  const origin = await listen(test.app);

  const post = async (query: string, user = ''): Promise<GraphQlAnswer> => {
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-user': user },
      body: JSON.stringify({ query }),
    });
    const answer = (await response.json()) as GraphQlAnswer;
    recordOutput('graphql', answer);
    return answer;
  };
  return {
    ...test,
    post,
    connect: async (user) => ({
      close: () => undefined,
      call: async (route, body): Promise<Outcome> => {
        const wire = await post(`mutation { ${field(route, body)} }`, user);
        if (wire.errors === undefined) return { value: wire.data?.[route], wire };
        const { code, stacktrace: _stacktrace, ...problem } = wire.errors[0]?.extensions ?? {};
        // `code` is what GraphQL clients switch on.
        return {
          problem: code === problem.error ? problem : { title: `The code is ${code}.` },
          wire,
        };
      },
    }),
  };
}

function field(route: string, args: object): string {
  const given = Object.entries(args)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return given.length === 0 ? route : `${route}(${given.join(', ')})`;
}

describeTransport('GraphQL', (engine) => start(engine));

/** As decorators of aspects do: another function, which inherits what was said of the first. */
function wrapped(_target: object, _name: string, descriptor: PropertyDescriptor): void {
  const original = descriptor.value as (...args: unknown[]) => unknown;
  const around = function (this: unknown, ...args: unknown[]): unknown {
    return original.apply(this, args);
  };
  descriptor.value = Object.setPrototypeOf(around, original) as unknown;
}

class WrappedRoutes {
  @wrapped
  @RequireConfirmation('transfer')
  transfer(): string {
    return 'transferred';
  }
}

describe('One GraphQL operation', () => {
  let app: GraphQlApp;

  beforeAll(async () => {
    app = await start('sqljs');
  });
  afterAll(() => app.close());

  it.each(['guarded', 'forgetful'])(
    'spends a proof once, however often it says %s',
    async (route) => {
      const proof = await prove(app.confirmer);
      const same = field(route, { ...TEN, proof });
      const answer = await app.post(`mutation { one: ${same} two: ${same} three: ${same} }`, 'ann');
      expect(answer.data).toStrictEqual({ one: 'paid', two: null, three: null });
      const codes = answer.errors?.map(({ extensions }) => extensions.code);
      expect(codes).toStrictEqual(['confirmation-used', 'confirmation-used']);
      const [state] = await app.confirmer.check(proof);
      expect(state?.isUsed).toBe(true);
    },
  );

  it('evaluates five guesses of a hundred', async () => {
    await app.post(`mutation { ${field('request', TEN)} }`, 'ann');
    const delivery = app.inbox.deliveries.at(-1);
    const guess = field('confirm', { proof: delivery?.state.id, code: WRONG_CODE });
    const guesses = Array.from({ length: 100 }, (_, index) => `g${index}: ${guess}`).join(' ');
    const { errors = [] } = await app.post(`mutation { ${guesses} }`, 'ann');
    expect(errors.map(({ extensions }) => extensions.attemptsLeft).slice(0, 6)).toStrictEqual([
      4, 3, 2, 1, 0, 0,
    ]);
    const [state] = await app.confirmer.check(String(delivery?.state.id));
    expect(state?.status).toBe('locked');
    expect(state?.attemptsLeft).toBe(0);
  });
});

describe.each(engines)('Twenty aliases of one GraphQL query on %s', (engine) => {
  let app: GraphQlApp;

  beforeAll(async () => {
    app = await start(engine);
  });
  afterAll(() => app.close());

  const effects = async (route: string): Promise<number> => {
    const bank = app.app.get(Bank);
    const { ended } = bank;
    const proof = await prove(app.confirmer);
    const same = field(route, { ...TEN, proof });
    const aliases = Array.from({ length: 20 }, (_, index) => `a${index}: ${same}`).join(' ');
    await app.post(`query { ${aliases} }`, 'ann');
    return bank.ended - ended;
  };

  it('run a forgetful handler once', async () => {
    expect(await effects('statement')).toBe(1);
  });

  it('run the handler more than once with a naive guard', async () => {
    expect(await effects('naiveStatement')).toBeGreaterThan(1);
  });
});

@ObjectType()
class Account {
  @Field(() => String)
  iban = 'DE02';
}

/** Field resolvers, guarded one by one and together. */
@Resolver(() => Account)
class GuardedField {
  @Query(() => Account)
  account(): Account {
    return new Account();
  }

  @ResolveField(() => String)
  @RequireConfirmation('transfer', { confirmationId })
  statement(): string {
    return 'secret';
  }
}

@Resolver(() => Account)
@RequireConfirmation('transfer', { confirmationId })
class GuardedFields {
  @Query(() => Account)
  account(): Account {
    return new Account();
  }

  @ResolveField(() => String)
  statement(): string {
    return 'secret';
  }
}

/** GraphQL calls both without guards, and the second one despite its options. */
@Resolver(() => Account)
class GuardedReference {
  @ResolveReference()
  @RequireConfirmation('transfer', { confirmationId })
  statement(): Account {
    return new Account();
  }
}

@Resolver(() => Account)
class GuardedTypeResolver {
  @ResolveField()
  @RequireConfirmation('transfer', { confirmationId })
  __resolveType(): string {
    return 'Account';
  }
}

describe('A guard that Nest would never run', () => {
  const boot = (
    providers: readonly Provider[],
    enhancers: ApolloDriverConfig['fieldResolverEnhancers'] = [],
  ): Promise<TestApp> =>
    startApp({
      options: { methods: METHODS, purposes: purposesFor(userOf) },
      imports: [graphQl({ fieldResolverEnhancers: enhancers })],
      providers: [Bank, HealthResolver, ...providers],
    });

  it.each([
    ['a factory', { inject: [Bank], useFactory: (bank: Bank) => new TransferRoutes(bank) }],
    ['an asynchronous factory', { useFactory: async () => new TransferRoutes({} as Bank) }],
    ['a value', { useValue: new AccountRoutes({} as Bank) }],
    ['a factory, another decorator around the guarded', { useFactory: () => new WrappedRoutes() }],
  ])('stops the boot when the resolver comes from %s', async (_, provider) => {
    await expect(boot([{ provide: 'RESOLVER', ...provider }])).rejects.toMatchObject({
      code: 'invalid-configuration',
      message: expect.stringMatching(
        /^(Transfer|Account|Wrapped)Routes has @RequireConfirmation, .+\. List the class itself under providers\.$/,
      ) as string,
    });
  });

  it('does not stop the boot when the class is a provider itself, or is the useClass of one', async () => {
    const again = { provide: 'AGAIN', inject: [AccountRoutes], useFactory: (it: object) => it };
    const app = await boot([
      { provide: 'RESOLVER', useClass: TransferRoutes },
      AccountRoutes,
      again,
      { provide: 'ALIAS', useExisting: AccountRoutes },
    ]);
    try {
      expect(app.app.get('AGAIN')).toBe(app.app.get(AccountRoutes));
    } finally {
      await app.close();
    }
  });

  it.each([GuardedField, GuardedFields, GuardedReference])(
    'stops the boot when @RequireConfirmation is on a GraphQL field: %o',
    async (resolver) => {
      for (const enhancers of [[], ['guards'], ['interceptors']] as const) {
        await expect(boot([resolver], [...enhancers])).rejects.toMatchObject({
          code: 'invalid-configuration',
          message: `${resolver.name}.statement is a GraphQL field, where Nest runs no guard. Put @RequireConfirmation on the query or mutation, or give GraphQLModule fieldResolverEnhancers: ['guards', 'interceptors'].`,
        });
      }
    },
  );

  it('stops the boot on a resolver of types, with any options of GraphQL', async () => {
    await expect(boot([GuardedTypeResolver], ['guards', 'interceptors'])).rejects.toMatchObject({
      code: 'invalid-configuration',
      message:
        'GuardedTypeResolver.__resolveType is a GraphQL field, where Nest runs no guard. Put @RequireConfirmation on the query or mutation.',
    });
  });

  it('guards fields when Nest is configured to run guards on fields', async () => {
    const app = await start('sqljs', {
      providers: [GuardedField],
      enhancers: ['guards', 'interceptors', 'filters'],
    });
    try {
      const answer = await app.post('{ account { iban statement } }', 'ann');
      expect(JSON.stringify(answer)).not.toContain('secret');
      expect(answer.errors?.[0]).toHaveProperty('message');
    } finally {
      await app.close();
    }
  });
});
