import { Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';

import { EVENT_PREFIX, TwoFactorEventEmitterBridge } from './two-factor-event-emitter.bridge.js';

/** The options of `TwoFactorEventEmitterModule.forRoot`. */
export interface TwoFactorEventEmitterOptions {
  /**
   * The prefix of the event names, with the delimiter of your `EventEmitterModule`. @default 'two-factor.'
   */
  readonly prefix?: string | undefined;
  /** The modules that export `TwoFactorEvents` and `EventEmitter2`, if they are not global. @default [] */
  readonly imports?: ModuleMetadata['imports'] | undefined;
}

const DEFAULT_PREFIX = 'two-factor.';

/**
 * Forwards the events of `TwoFactorEvents` to `EventEmitter2` as `two-factor.<type>`, for methods with `@OnEvent`. The wildcard
 * `two-factor.*` needs an emitter with the option `wildcard: true`.
 *
 * The call that caused an event waits for each listener up to the listener's first `await`. Errors and rejections of a listener
 * are logged; the call and the other listeners continue.
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
