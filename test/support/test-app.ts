import {
  ConsoleLogger,
  type INestApplication,
  type ModuleMetadata,
  type NestApplicationOptions,
} from '@nestjs/common';
import { Test, type TestingModule, type TestingModuleBuilder } from '@nestjs/testing';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { DataSource, type DataSourceOptions, type Logger as TypeOrmLogger } from 'typeorm';

import {
  ConfirmerService,
  SenderService,
  twoFactorMigrations,
  TwoFactorModule,
  TwoFactorService,
  type Clock,
  type Delivery,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { drawCanaryCode, recordOutput } from './canaries.js';
import { openDatabase, type EngineName, type TestDatabase } from './engines.js';
import { secretOf } from './secret.js';

export const SECRET = secretOf('the application');

/** A data source that logs no statement, so that statements may bypass TypeORM's query runner. */
export const SILENT = { logger: 'advanced-console', logging: false } as const;

/** A clock that stands still until a test advances it. */
export class TestClock implements Clock {
  #now = Date.now();

  now(): number {
    return this.#now;
  }

  advance(seconds: number): void {
    this.#now += seconds * 1_000;
  }
}

/** Keeps messages instead of sending them; fails as often as a test asks for. */
export class TestInbox {
  readonly deliveries: Delivery[] = [];
  readonly #failures: unknown[] = [];

  readonly send = async (delivery: Delivery): Promise<void> => {
    this.deliveries.push(delivery);
    if (this.#failures.length > 0) throw this.#failures.shift();
  };

  failNext(error: unknown): void {
    this.#failures.push(error);
  }

  get lastCode(): string {
    const last = this.deliveries.at(-1);
    if (last === undefined) throw new Error('Nothing was sent.');
    return last.code;
  }
}

/** One statement as TypeORM logged it. */
export interface LoggedStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Counts the statements that are sent to the database, and passes them to the search for codes. */
export class StatementLog implements TypeOrmLogger {
  readonly statements: LoggedStatement[] = [];

  logQuery(query: unknown, parameters: unknown[] = []): void {
    const statement = { sql: String(query), parameters };
    this.statements.push(statement);
    recordOutput('sql', statement.sql, parameters);
  }

  logQueryError(error: string | Error, query: unknown, parameters: unknown[] = []): void {
    recordOutput('sql error', String(error), String(query), parameters);
  }

  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}

  /** The statements that `work` caused, transactions' brackets not counted. */
  async during(work: () => Promise<unknown>): Promise<LoggedStatement[]> {
    const before = this.statements.length;
    await work();
    return this.statements
      .slice(before)
      .filter(({ sql }) => !/^(START TRANSACTION|BEGIN|COMMIT|ROLLBACK|SET)\b/i.test(sql));
  }
}

/** Records what is logged at every level for the search for codes, and prints errors alone, as Nest's own test logger does. */
class RecordingLogger extends ConsoleLogger {
  constructor() {
    super({ logLevels: ['error'] });
  }

  override fatal(...lines: unknown[]): void {
    recordOutput('fatal', ...lines);
  }

  override error(...lines: [message: unknown, ...more: unknown[]]): void {
    recordOutput('error', ...lines);
    super.error(...lines);
  }

  override verbose(...lines: unknown[]): void {
    recordOutput('verbose', ...lines);
  }

  override log(...lines: unknown[]): void {
    recordOutput('log', ...lines);
  }

  override warn(...lines: unknown[]): void {
    recordOutput('warn', ...lines);
  }

  override debug(...lines: unknown[]): void {
    recordOutput('debug', ...lines);
  }
}

export interface TestAppInput {
  /** @default 'sqljs' */
  readonly engine?: EngineName;
  /** An open database to use instead of a new one; it is not dropped then. */
  readonly database?: TestDatabase;
  /** Merged over the module's own defaults and: a secret, the inbox as sender `default`, no purge, canary codes. */
  readonly options?: TwoFactorModuleOptions & TwoFactorModuleExtras;
  readonly dataSource?: Partial<DataSourceOptions>;
  readonly imports?: ModuleMetadata['imports'];
  readonly providers?: ModuleMetadata['providers'];
  readonly controllers?: ModuleMetadata['controllers'];
  /** HTTP adapter; Express when absent. */
  readonly adapter?: AbstractHttpAdapter;
  readonly appOptions?: NestApplicationOptions;
  readonly override?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
  /** Global prefix, pipes and so on, before `init`. */
  readonly configure?: (app: INestApplication) => void;
}

export interface TestApp {
  readonly app: INestApplication;
  readonly module: TestingModule;
  readonly database: TestDatabase;
  readonly dataSource: DataSource;
  readonly confirmer: ConfirmerService;
  readonly sender: SenderService;
  readonly twoFactor: TwoFactorService;
  readonly inbox: TestInbox;
  readonly clock: TestClock;
  /** Reading it turns the recording of statements on. */
  readonly log: StatementLog;
  /** Ends the application and drops its database. */
  close(): Promise<void>;
}

/** A real application with a real database; only the sender and the clock are doubles. */
export async function startApp(input: TestAppInput = {}): Promise<TestApp> {
  const database = input.database ?? (await openDatabase(input.engine ?? 'sqljs'));
  const inbox = new TestInbox();
  const clock = new TestClock();
  const log = new StatementLog();
  const builder = Test.createTestingModule({
    imports: [
      TypeOrmModule.forRoot({
        ...database.options,
        autoLoadEntities: true,
        migrations: [...twoFactorMigrations],
        migrationsRun: true,
        retryAttempts: 0,
        ...(process.env['TEST_QUERY_LOGGING'] === 'false' ? SILENT : { logger: log }),
        ...input.dataSource,
      } as unknown as TypeOrmModuleOptions),
      TwoFactorModule.forRoot({
        secret: SECRET,
        senders: { default: { backend: () => inbox.send } },
        codeGenerator: drawCanaryCode,
        autoPurge: false,
        // Limits are on, as they are by default. The long rounds `unbatched` and `unlogged` run the same suites without them.
        ...(process.env['TEST_LIMITS'] === 'false' ? { limits: false } : {}),
        clock,
        ...input.options,
      }),
      ...(input.imports ?? []),
    ],
    providers: input.providers ?? [],
    controllers: input.controllers ?? [],
  });
  const drop = async (): Promise<void> => {
    if (!input.database) await database.drop();
  };
  try {
    builder.setLogger(new RecordingLogger());
    const module = await (input.override?.(builder) ?? builder).compile();
    const app = input.adapter
      ? module.createNestApplication(input.adapter, input.appOptions)
      : module.createNestApplication(input.appOptions);
    input.configure?.(app);
    await app.init();
    const { instance } = app.getHttpAdapter() as unknown as {
      instance?: { ready?: () => Promise<void> };
    };
    await instance?.ready?.();
    const get = <T extends object>(type: new (...args: never[]) => T): T =>
      watched(type.name, app.get(type, { strict: false }));
    const dataSource = app.get(DataSource, { strict: false });
    return {
      app,
      module,
      database,
      inbox,
      clock,
      get log() {
        if (input.dataSource?.logger === undefined) dataSource.logger = log;
        return log;
      },
      dataSource,
      confirmer: get(ConfirmerService),
      sender: get(SenderService),
      twoFactor: get(TwoFactorService),
      close: async () => {
        await app.close();
        await drop();
      },
    };
  } catch (error) {
    recordOutput('boot error', error);
    await drop();
    throw error;
  }
}

/** A service whose answers and errors are searched for codes. */
function watched<T extends object>(name: string, service: T): T {
  return new Proxy(service, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const where = `${name}.${String(property)}`;
        const answer: unknown = member.apply(target, args);
        if (!(answer instanceof Promise)) return answer;
        return answer.then(
          (value: unknown) => {
            recordOutput(where, value);
            return value;
          },
          (error: unknown) => {
            recordOutput(`${where} error`, error);
            throw error;
          },
        );
      };
    },
  });
}
