import { Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';

import { EVENT_PREFIX, TwoFactorEventEmitterBridge } from './two-factor-event-emitter.bridge.js';

/** The options of `TwoFactorEventEmitterModule.forRoot`. */
export interface TwoFactorEventEmitterOptions {
  /**
   * What stands before an event's type, with the delimiter of your `EventEmitterModule`. @default 'two-factor.'
   */
  readonly prefix?: string | undefined;
  /** The modules that export `TwoFactorEvents` and `EventEmitter2`, where those are not global. @default [] */
  readonly imports?: ModuleMetadata['imports'] | undefined;
}

const DEFAULT_PREFIX = 'two-factor.';

/**
 * Tells the events of `TwoFactorEvents` to `EventEmitter2` as `two-factor.<type>`, for listeners that are decorated with
 * `@OnEvent`. For the wildcard `two-factor.*` the emitter must be made with `wildcard: true`.
 *
 * Listeners run while the call waits that caused the event, up to their first `await`. What they throw or reject with is
 * logged; the call, and the other listeners, go on.
 *
 * @example
 * ```ts
 * @Injectable()
 * export class Audit {
 *   @OnEvent('two-factor.locked')
 *   onLocked(event: LockedEvent): void {}
 *
 *   @OnEvent('two-factor.*')
 *   onAny(event: TwoFactorEvent): void {}
 * }
 *
 * @Module({
 *   imports: [EventEmitterModule.forRoot({ wildcard: true }), TwoFactorEventEmitterModule.forRoot()],
 *   providers: [Audit],
 * })
 * export class AuditModule {}
 * ```
 * @publicApi
 */
@Module({})
export class TwoFactorEventEmitterModule {
  static forRoot(options: TwoFactorEventEmitterOptions = {}): DynamicModule {
    const { prefix = DEFAULT_PREFIX, imports = [] } = options;
    return {
      module: TwoFactorEventEmitterModule,
      imports,
      providers: [TwoFactorEventEmitterBridge, { provide: EVENT_PREFIX, useValue: prefix }],
    };
  }
}
