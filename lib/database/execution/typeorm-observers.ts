import type { DataSource } from 'typeorm';

/** Whether an application observes queries through TypeORM. It can change both at any time, so that both are read per query. */
export class TypeOrmObservers {
  /** TypeORM's default logger; it logs nothing unless logging is enabled. */
  readonly #silentLogger: unknown;

  constructor(private readonly dataSource: DataSource) {
    this.#silentLogger = dataSource.logger;
  }

  get hasLogging(): boolean {
    const { logging, logger, maxQueryExecutionTime } = this.dataSource.options;
    return (
      Boolean(logging || maxQueryExecutionTime) ||
      typeof logger === 'object' ||
      this.dataSource.logger !== this.#silentLogger
    );
  }

  get hasQuerySubscribers(): boolean {
    return this.dataSource.subscribers.some(
      (subscriber) => subscriber.beforeQuery !== undefined || subscriber.afterQuery !== undefined,
    );
  }
}
