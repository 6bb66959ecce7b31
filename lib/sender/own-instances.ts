import { Scope, type Type } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';

import { TwoFactorConfigurationError } from '../errors/index.js';
import type { SenderBackend } from './sender-backend.decorator.js';
import { assertSingleton, type Candidate } from './sender-candidate.js';

export type LifecycleHook =
  | 'onModuleInit'
  | 'onApplicationBootstrap'
  | 'onModuleDestroy'
  | 'beforeApplicationShutdown'
  | 'onApplicationShutdown';

/** The metadata key under which `@Injectable({ scope })` stores its options. */
const INJECTION_SCOPE_METADATA = 'scope:options';

/**
 * The backends whose classes only the option `senders` names. No module provides them, so this package creates one instance
 * of each class and calls its lifecycle hooks, which Nest does not.
 */
export class OwnInstances {
  readonly #instances = new Map<Type<SenderBackend>, Candidate>();

  constructor(private readonly moduleRef: ModuleRef) {}

  /** The one instance of a class; created, and initialised by `onModuleInit`, at the first call. */
  async getOrCreate(type: Type<SenderBackend>): Promise<Candidate> {
    const known = this.#instances.get(type);
    if (known !== undefined) return known;
    const scope = Reflect.getMetadata(INJECTION_SCOPE_METADATA, type) as
      { scope?: Scope } | undefined;
    assertSingleton(type, (scope?.scope ?? Scope.DEFAULT) !== Scope.DEFAULT);
    const instance = await this.#create(type);
    const candidate: Candidate = { type, instance, moduleName: 'TwoFactorModule' };
    this.#instances.set(type, candidate);
    await callHook(instance, 'onModuleInit');
    return candidate;
  }

  async callHooks(hook: LifecycleHook, signal?: string): Promise<void> {
    for (const { instance } of this.#instances.values()) await callHook(instance, hook, signal);
  }

  async #create(type: Type<SenderBackend>): Promise<SenderBackend> {
    try {
      return await this.moduleRef.create(type);
    } catch (error) {
      assertSingleton(type, (error as Error).constructor.name === 'RequestScopedCreateException');
      const missing = missingDependency(error);
      if (missing === null) throw error;
      throw new TwoFactorConfigurationError(
        `The sender backend ${type.name} needs ${missing}, which TwoFactorModule does not see. Provide ${type.name} in ` +
          `the module that provides ${missing}.`,
        { cause: error },
      );
    }
  }
}

/** Calls a lifecycle hook of an object or a function that has it. */
export async function callHook(
  instance: unknown,
  hook: LifecycleHook,
  signal?: string,
): Promise<void> {
  const hooks = instance as Partial<Record<LifecycleHook, (signal?: string) => unknown>>;
  await hooks[hook]?.(signal);
}

/** The dependency that Nest could not resolve; `null` when the creation failed for another reason. */
function missingDependency(error: unknown): string | null {
  const { context } = error as { context?: { name?: unknown } };
  const name = context?.name;
  if (typeof name === 'function') return name.name;
  return typeof name === 'string' || typeof name === 'symbol' ? String(name) : null;
}
