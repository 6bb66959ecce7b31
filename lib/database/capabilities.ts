import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';

export type Capability = 'atomicWrite' | 'batching' | 'pipelinedBatch' | 'preparedStatements';

/**
 * What the server and the driver of a data source support, as far as refused statements have shown. All stores of a data
 * source share one object. With an object each, every store would have to be refused once, and would log its own warning.
 * The options of an application restrict its use further, and are no part of it.
 */
export class Capabilities {
  static readonly #shared = new WeakMap<DataSource, Capabilities>();

  /** One statement writes a confirmation and consumes its quotas. */
  readonly atomicWrite: boolean = true;
  /** One statement takes the values of many calls as arrays. */
  readonly batching: boolean = true;
  /** A connection sends several statements at once, as one transaction. */
  readonly pipelinedBatch: boolean = true;
  readonly preparedStatements: boolean = true;
  readonly #logger = new Logger(Capabilities.name);

  static forDataSource(dataSource: DataSource): Capabilities {
    let capabilities = this.#shared.get(dataSource);
    if (capabilities === undefined) {
      capabilities = new Capabilities();
      this.#shared.set(dataSource, capabilities);
    }
    return capabilities;
  }

  /**
   * Switches a capability off for good. Statements that were in flight are refused later, and do not warn again.
   *
   * @param reason the warning to log; none for what an application cannot change, such as its driver.
   */
  disable(name: Capability, reason?: string): void {
    if (!this[name]) return;
    (this as Record<Capability, boolean>)[name] = false;
    if (reason !== undefined) this.#logger.warn(reason);
  }
}
