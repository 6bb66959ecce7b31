import { Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';
import type { EventEmitter2 } from '@nestjs/event-emitter';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import { TwoFactorEvents } from '../../events/index.js';
import { TwoFactorEventEmitterBridge } from './two-factor-event-emitter.bridge.js';

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
  /** @throws TwoFactorConfigurationError at boot, for a missing package. */
  static forRoot(options: TwoFactorEventEmitterOptions = {}): Promise<DynamicModule> {
    const definition = define(options);
    // Nest reports the failure when it awaits this import, which may be later than Node reports an unhandled rejection.
    definition.catch(() => undefined);
    return definition;
  }
}

async function define({
  prefix = DEFAULT_PREFIX,
  imports = [],
}: TwoFactorEventEmitterOptions): Promise<DynamicModule> {
  const { EventEmitter2: emitterClass } = await loadEventEmitter();
  return {
    module: TwoFactorEventEmitterModule,
    imports,
    providers: [
      {
        provide: TwoFactorEventEmitterBridge,
        useFactory: (events: TwoFactorEvents, emitter: EventEmitter2) =>
          new TwoFactorEventEmitterBridge(events, emitter, prefix),
        inject: [TwoFactorEvents, emitterClass],
      },
    ],
  };
}

/** @throws TwoFactorConfigurationError when the package is missing. */
async function loadEventEmitter(): Promise<
  Pick<typeof import('@nestjs/event-emitter'), 'EventEmitter2'>
> {
  try {
    return await import('@nestjs/event-emitter');
  } catch (cause) {
    throw new TwoFactorConfigurationError(
      'TwoFactorEventEmitterModule needs the package @nestjs/event-emitter: install it with "npm install @nestjs/event-emitter".',
      { cause },
    );
  }
}
