// One effect for one proof, on every engine: the guard reserves it with one guarded statement before the handler runs.
import {
  BadRequestException,
  Controller,
  HttpCode,
  Injectable,
  Post,
  type ExecutionContext,
} from '@nestjs/common';
import { DataSource, type QueryRunner } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { Confirmation, ConfirmationProof, RequireConfirmation } from '../../lib/index.js';
import { ProofReservation } from '../../lib/confirmation/index.js';
import { Barrier } from '../support/barrier.js';
import { engines, servers, type EngineName } from '../support/engines.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { NaiveConfirmation } from '../support/naive-confirmation.js';

interface Request {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

const headerOf = (context: ExecutionContext, name: string): string | undefined =>
  context.switchToHttp().getRequest<Request>().headers[name];

const purposes = {
  transfer: {
    subject: (context: ExecutionContext) => headerOf(context, 'x-user'),
    recipient: () => 'ann@example.com',
  },
};

const confirmationId = (context: ExecutionContext): unknown =>
  headerOf(context, 'x-confirmation-id');

/** Begins transactions before the guards run, as middleware does. */
@Injectable()
class EarlyTransactions {
  readonly open = new Map<string, QueryRunner>();

  constructor(private readonly dataSource: DataSource) {}

  async begin(isolation: Isolation, id: string): Promise<void> {
    const runner = this.dataSource.createQueryRunner();
    await runner.startTransaction(isolation);
    // Its first statement takes the snapshot.
    await runner.query('SELECT confirmation FROM effect');
    this.open.set(id, runner);
  }

  async end(id: string): Promise<void> {
    const runner = this.open.get(id);
    if (runner?.isTransactionActive) await runner.rollbackTransaction();
    await runner?.release();
    this.open.delete(id);
  }
}

type Isolation = 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';

@Controller('transfers')
class TransfersController {
  /** Holds the handlers until each call of a test is in its handler or refused. */
  static decided = new Barrier(1);

  constructor(
    private readonly dataSource: DataSource,
    private readonly early: EarlyTransactions,
  ) {}

  @Post('forgetful')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async forgetful(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await TransfersController.decided.enter();
    await this.dataSource.query(`INSERT INTO effect VALUES ('${proof.id}')`);
  }

  @Post('naive')
  @HttpCode(200)
  @NaiveConfirmation({ confirmationId })
  async naive(): Promise<void> {
    await TransfersController.decided.enter();
    await this.dataSource.query(`INSERT INTO effect VALUES ('naive')`);
  }

  @Post('transactional')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async transactional(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await this.dataSource.transaction((manager) => proof.use({ manager }));
  }

  @Post('early')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async inEarlyTransaction(@Confirmation() proof: ConfirmationProof): Promise<void> {
    const runner = this.early.open.get(proof.id);
    await proof.use({ manager: runner?.manager });
    await runner?.commitTransaction();
  }

  @Post('early-failing')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async failingInEarlyTransaction(@Confirmation() proof: ConfirmationProof): Promise<never> {
    await proof.use({ manager: this.early.open.get(proof.id)?.manager });
    throw new BadRequestException('no money');
  }

  @Post('guarded')
  @HttpCode(200)
  @RequireConfirmation('transfer')
  guarded(): void {}
}

async function start(engine: EngineName, create = adapters[0]!.create): Promise<HttpTestApp> {
  const app = await startHttpApp({
    engine,
    adapter: create(),
    options: { purposes },
    providers: [EarlyTransactions],
    controllers: [TransfersController],
  });
  await app.dataSource.query('CREATE TABLE effect (confirmation varchar(36) NOT NULL)');
  return app;
}

async function prove(app: HttpTestApp): Promise<string> {
  const binding = { purpose: 'transfer', subject: 'ann' };
  return (await app.confirmer.makeConfirmation({ ...binding, isConfirmed: true })).id;
}

const post = async (app: HttpTestApp, route: string, id: string): Promise<number> =>
  (await app.post(`/transfers/${route}`, {}, { 'x-user': 'ann', 'x-confirmation-id': id })).status;

const effects = async (app: HttpTestApp): Promise<number> =>
  (await app.dataSource.query<unknown[]>('SELECT confirmation FROM effect')).length;

const cells = engines.flatMap((engine) => adapters.map((adapter) => ({ engine, ...adapter })));

describe.each(cells)('Twenty calls with one proof on $name and $engine', ({ engine, create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await start(engine, create);
  });
  afterAll(() => app.close());

  const meet = async (route: string): Promise<{ statuses: number[]; effects: number }> => {
    const id = await prove(app);
    const before = await effects(app);
    const decided = new Barrier(20);
    TransfersController.decided = decided;
    const call = async (): Promise<number> => {
      const status = await post(app, route, id);
      decided.passBy();
      return status;
    };
    const statuses = await Promise.all(Array.from({ length: 20 }, call));
    return { statuses: statuses.toSorted((a, b) => a - b), effects: (await effects(app)) - before };
  };

  it('have one effect when the handler forgets to use it', async () => {
    expect(await meet('forgetful')).toStrictEqual({
      statuses: [200, ...Array.from({ length: 19 }, () => 409)],
      effects: 1,
    });
  });

  it('have more than one effect with a naive guard', async () => {
    expect((await meet('naive')).effects).toBeGreaterThan(1);
  });
});

/** For each way to use a proof; MariaDB reads the row after it has reserved it. */
const STATEMENTS = { guarded: 1, forgetful: 2, transactional: 2 };

describe.each(engines)('A guarded call on %s', (engine) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await start(engine);
  });
  afterAll(() => app.close());

  it('takes as many statements as documented', async () => {
    TransfersController.decided = new Barrier(1);
    const counted: Record<string, number> = {};
    for (const route of Object.keys(STATEMENTS)) {
      const id = await prove(app);
      const statements = await app.log.during(() => post(app, route, id));
      counted[route] = statements.filter(({ sql }) => /two_factor_confirmation/.test(sql)).length;
    }
    const read = engine === 'mariadb' || engine === 'mysql' ? 1 : 0;
    const { guarded, forgetful, transactional } = STATEMENTS;
    expect(counted).toStrictEqual({
      guarded,
      forgetful: forgetful + read,
      transactional: transactional + read,
    });
  });

  it('keeps a mark that no idempotency key can equal', async () => {
    const state = await app.confirmer.makeConfirmation({ isConfirmed: true });
    const reservation = await app.confirmer.reserve(state, {});
    const { useKey } = await app.row(state.id);
    expect(useKey).toMatch(/^ r[\w-]{20}$/);
    await expect(app.confirmer.use(state, { idempotencyKey: useKey! })).rejects.toThrow(
      'without spaces',
    );
    expect(reservation).toBeInstanceOf(ProofReservation);
    await (reservation as ProofReservation).release();
    expect((await app.row(state.id)).useKey).toBeNull();
  });
});

const early = servers.flatMap((engine) =>
  (['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const).map((isolation) => ({
    engine,
    isolation,
    /** Only PostgreSQL writes by the snapshot that it reads by. */
    status: engine === 'postgres' && isolation !== 'READ COMMITTED' ? 409 : 200,
  })),
);

describe.each(early)(
  'A transaction at $isolation that began before the guard on $engine',
  (cell) => {
    let app: HttpTestApp;

    beforeAll(async () => {
      app = await start(cell.engine);
    });
    afterAll(() => app.close());

    it(`answers ${cell.status}, and the proof can be used once`, async () => {
      const id = await prove(app);
      const transactions = app.app.get(EarlyTransactions);
      await transactions.begin(cell.isolation, id);
      const headers = { 'x-user': 'ann', 'x-confirmation-id': id };
      const answer = await app.post('/transfers/early', {}, headers);
      await transactions.end(id);

      const isRefused = cell.status === 409;
      expect(answer).toMatchObject({
        status: cell.status,
        ...(isRefused && { body: { error: 'conflict' } }),
      });
      const again = await post(app, 'transactional', id);
      expect(again).toBe(isRefused ? 200 : 409);
    });
  },
);

describe.each(servers)('A transaction that outlives the failed handler on %s', (engine) => {
  it('delays no answer, and leaves the proof usable when it has ended', async () => {
    const app = await start(engine);
    try {
      const id = await prove(app);
      const transactions = app.app.get(EarlyTransactions);
      await transactions.begin('READ COMMITTED', id);
      expect(await post(app, 'early-failing', id)).toBe(400);
      expect(transactions.open.get(id)?.isTransactionActive).toBe(true);
      await transactions.end(id);
      await vi.waitFor(async () => expect((await app.row(id)).usedAt).toBeNull(), {
        timeout: 60_000,
      });
      expect(await post(app, 'transactional', id)).toBe(200);
    } finally {
      await app.close();
    }
  });
});
