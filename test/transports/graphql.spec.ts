import { UseFilters, type ExecutionContext } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Args,
  GqlExecutionContext,
  GraphQLModule,
  Mutation,
  Query,
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
import { startApp } from '../support/test-app.js';
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

async function start(
  engine: EngineName,
  options: Partial<ApolloDriverConfig> = {},
): Promise<GraphQlApp> {
  const test = await startApp({
    engine,
    options: { purposes: purposesFor(userOf) },
    imports: [
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        playground: false,
        ...options,
      }),
    ],
    providers: [Bank, TransferResolver, AccountResolver],
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
