import {
  UseFilters,
  type DynamicModule,
  type ExecutionContext,
  type Provider,
} from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Args,
  Field,
  GqlExecutionContext,
  GraphQLModule,
  Mutation,
  ObjectType,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type Problem,
} from '../../lib/index.js';
import { recordOutput, WRONG_CODE } from '../support/canaries.js';
import type { EngineName } from '../support/engines.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { describeTransport, type Outcome, type RunningTransport } from './guarded-transport.js';
import { Bank, PAYEE, purposesFor, routes, type TransferCall } from './transfers.js';

interface Context {
  readonly req: { readonly headers: Readonly<Record<string, string | undefined>> };
}

const userOf = (context: ExecutionContext): string | undefined =>
  GqlExecutionContext.create(context).getContext<Context>().req.headers['x-user'];

const { from, details } = routes((context) =>
  GqlExecutionContext.create(context).getArgs<TransferCall>(),
);

const text = { type: () => String, nullable: true };
const flag = { type: () => Boolean, nullable: true };

@Resolver()
@UseFilters(TwoFactorExceptionFilter)
class TransferResolver {
  constructor(private readonly bank: Bank) {}

  @Query(() => String)
  health(): string {
    return 'well';
  }

  @Mutation(() => String, { nullable: true })
  request(@Args('amount') amount: string, @Args('payee') payee: string): Promise<string> {
    return this.bank.request({ amount, payee });
  }

  @Mutation(() => String, { nullable: true })
  confirm(@Args('proof') proof: string, @Args('code') code: string): Promise<string> {
    return this.bank.confirm(proof, code);
  }

  @Mutation(() => String, { nullable: true })
  @RequireConfirmation('transfer', { from, details })
  guarded(
    @Args('proof', text) _proof: string,
    @Args('amount', text) _amount: string,
    @Args('payee', text) _payee: string,
  ): string {
    return this.bank.done();
  }

  @Mutation(() => String, { nullable: true })
  @RequireConfirmation('transfer', { from, details, spend: 'handler' })
  transactional(
    @Args('proof', text) _proof: string,
    @Args('amount', text) _amount: string,
    @Args('payee', text) _payee: string,
    @Args('fails', flag) fails: boolean,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<string> {
    return this.bank.pay(proof, { fails });
  }

  @Mutation(() => String, { nullable: true })
  @RequireConfirmation('transfer', { from, details, spend: 'handler' })
  forgetful(
    @Args('proof', text) _proof: string,
    @Args('amount', text) _amount: string,
    @Args('payee', text) _payee: string,
  ): string {
    return this.bank.done();
  }

  @Mutation(() => String, { nullable: true })
  broken(@Args('proof') proof: string): string {
    return this.bank.fail(proof);
  }
}

@Resolver()
@UseFilters(TwoFactorExceptionFilter)
@RequireConfirmation('transfer', { from, details })
class AccountResolver {
  constructor(private readonly bank: Bank) {}

  @Mutation(() => String, { nullable: true })
  @RequireConfirmation('delete-account', { from })
  deleting(@Args('proof', text) _proof: string): string {
    return this.bank.done();
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
    options: { purposes: purposesFor(userOf) },
    imports: [graphQl({ fieldResolverEnhancers: enhancers })],
    providers: [Bank, TransferResolver, AccountResolver, ...providers],
  });
  await test.app.listen(0, '127.0.0.1');
  const origin = (await test.app.getUrl()).replace('localhost', '127.0.0.1');

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

describe('One GraphQL operation', () => {
  let app: GraphQlApp;

  beforeAll(async () => {
    app = await start('sqljs');
  });
  afterAll(() => app.close());

  const TEN = { amount: '10.00', payee: PAYEE };

  it.each(['guarded', 'forgetful'])(
    'spends a proof once, however often it says %s',
    async (route) => {
      const { id: proof } = await app.confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: 'ann',
        details: TEN,
        isConfirmed: true,
      });
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
    const delivery = app.outbox.deliveries.at(-1);
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
  @RequireConfirmation('transfer', { from })
  statement(): string {
    return 'secret';
  }
}

@Resolver(() => Account)
@RequireConfirmation('transfer', { from })
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

describe('A guard that Nest would never run', () => {
  const boot = (
    providers: readonly Provider[],
    enhancers: ApolloDriverConfig['fieldResolverEnhancers'] = [],
  ): Promise<TestApp> =>
    startApp({
      options: { purposes: purposesFor(userOf) },
      imports: [graphQl({ fieldResolverEnhancers: enhancers })],
      providers: [Bank, ...providers],
    });

  it.each([
    ['a factory', { inject: [Bank], useFactory: (bank: Bank) => new TransferResolver(bank) }],
    ['an asynchronous factory', { useFactory: async () => new TransferResolver({} as Bank) }],
    ['a value', { useValue: new AccountResolver({} as Bank) }],
  ])('stops the boot when the resolver comes from %s', async (_, provider) => {
    await expect(boot([{ provide: 'RESOLVER', ...provider }])).rejects.toMatchObject({
      code: 'invalid-configuration',
      message: expect.stringMatching(
        /^(Transfer|Account)Resolver has @RequireConfirmation, .+\. List the class itself under providers\.$/,
      ) as string,
    });
  });

  it('is no trouble when the class is listed too, or is what useClass names', async () => {
    const again = { provide: 'AGAIN', inject: [AccountResolver], useFactory: (it: object) => it };
    const app = await boot([
      { provide: 'RESOLVER', useClass: TransferResolver },
      AccountResolver,
      again,
      { provide: 'ALIAS', useExisting: AccountResolver },
    ]);
    try {
      expect(app.app.get('AGAIN')).toBe(app.app.get(AccountResolver));
    } finally {
      await app.close();
    }
  });

  it.each([GuardedField, GuardedFields])('stops the boot on a field: %o', async (resolver) => {
    for (const enhancers of [[], ['guards'], ['interceptors']] as const) {
      await expect(boot([resolver], [...enhancers])).rejects.toMatchObject({
        code: 'invalid-configuration',
        message: `${resolver.name}.statement is a GraphQL field, where Nest runs no guard. Put @RequireConfirmation on the query or mutation, or give GraphQLModule fieldResolverEnhancers: ['guards', 'interceptors'].`,
      });
    }
  });

  it('guards fields where Nest is told to run it', async () => {
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
