import {
  Inject,
  Injectable,
  Scope,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { DiscoveryService, ModuleRef } from '@nestjs/core';

import { TwoFactorConfigurationError } from '../errors/index.js';
import {
  assertVerboseName,
  DEFAULTS,
  isName,
  NAME_RULE,
  type ResolvedOptions,
  type SenderEntry,
} from '../options/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../two-factor.tokens.js';
import { senderBackendMetadata, type SenderBackend } from './sender-backend.decorator.js';
import {
  isBackendClass,
  type SendFunction,
  type SenderBackendFactory,
} from './sender-definition.js';
import { SenderRegistry, type ResolvedSender, type SenderBackends } from './sender-registry.js';

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** An object that may be a backend. */
interface Candidate {
  readonly type: Type<SenderBackend>;
  readonly instance: unknown;
  readonly moduleName: string;
  /** Absent for what the explorer made itself. */
  readonly wrapper?: Wrapper;
}

type LifecycleHook =
  | 'onModuleInit'
  | 'onApplicationBootstrap'
  | 'onModuleDestroy'
  | 'beforeApplicationShutdown'
  | 'onApplicationShutdown';

/** Where `@Injectable({ scope })` leaves its options. */
const SCOPE_METADATA = 'scope:options';

/**
 * Finds the sender backends in all modules, makes those that no module provides, and fills the registry with the senders.
 * The only file that knows `DiscoveryService`.
 */
@Injectable()
export class SenderExplorer
  implements
    OnModuleInit,
    OnApplicationBootstrap,
    OnModuleDestroy,
    BeforeApplicationShutdown,
    OnApplicationShutdown
{
  /** Classes that only `senders` names. Nest does not know them, so their lifecycle hooks are called from here. */
  readonly #made = new Map<Type<SenderBackend>, Candidate>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly moduleRef: ModuleRef,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  async onModuleInit(): Promise<void> {
    // Replaced by the extra `senderBackends`: whoever replaced it fills it.
    if (!(this.backends instanceof SenderRegistry)) return;
    const candidates = this.#candidates();
    const senders = new Map<string, ResolvedSender>();
    const named = new Set<Candidate>();
    for (const [name, entry] of this.options.senders) {
      senders.set(name, await this.#resolve(name, entry, candidates, named));
    }
    this.#addUnnamed(senders, candidates, named);
    this.#assertDefault(senders);
    for (const { name, verboseName } of senders.values()) assertVerboseName(name, verboseName);
    this.backends.fill(senders);
  }

  async onApplicationBootstrap(): Promise<void> {
    // Only now, since what replaces the registry may be filled in its own onModuleInit.
    this.#assertSendersOfPurposes();
    await this.#callHooks('onApplicationBootstrap');
  }

  async onModuleDestroy(): Promise<void> {
    await this.#callHooks('onModuleDestroy');
  }

  async beforeApplicationShutdown(signal?: string): Promise<void> {
    await this.#callHooks('beforeApplicationShutdown', signal);
  }

  async onApplicationShutdown(signal?: string): Promise<void> {
    await this.#callHooks('onApplicationShutdown', signal);
  }

  async #callHooks(hook: LifecycleHook, signal?: string): Promise<void> {
    for (const { instance } of this.#made.values()) await callHook(instance, hook, signal);
  }

  /** The one instance of a class that no module of the application provides. */
  async #make(type: Type<SenderBackend>): Promise<Candidate> {
    const made = this.#made.get(type);
    if (made !== undefined) return made;
    const scope = Reflect.getMetadata(SCOPE_METADATA, type) as { scope?: Scope } | undefined;
    assertSingleton(type, (scope?.scope ?? Scope.DEFAULT) !== Scope.DEFAULT);
    const instance = await this.#create(type);
    const candidate: Candidate = { type, instance, moduleName: 'TwoFactorModule' };
    this.#made.set(type, candidate);
    await callHook(instance, 'onModuleInit');
    return candidate;
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

  #candidates(): Candidate[] {
    const seen = new Set<unknown>();
    return this.discovery.getProviders().flatMap((wrapper): Candidate[] => {
      // Factories and values are told by what they made; an alias only repeats another provider.
      const instance: unknown = wrapper.instance;
      const type = typeOf(wrapper);
      if (wrapper.isAlias || typeof type !== 'function' || seen.has(instance ?? wrapper)) return [];
      seen.add(instance ?? wrapper);
      const moduleName = wrapper.host?.name ?? 'an unknown module';
      return [{ type: type as Type<SenderBackend>, instance, moduleName, wrapper }];
    });
  }

  async #resolve(
    name: string,
    entry: SenderEntry,
    candidates: readonly Candidate[],
    named: Set<Candidate>,
  ): Promise<ResolvedSender> {
    const { backend, options } = entry;
    if (typeof backend === 'function' && !isBackendClass(backend)) {
      const verboseName = entry.verboseName ?? name;
      const send = await (backend as SenderBackendFactory)({ name, options, verboseName });
      if (typeof send !== 'function') {
        throw new TwoFactorConfigurationError(
          `The backend of sender ${name} is a factory that did not return a function. Return (delivery) => ... from it.`,
        );
      }
      return Object.freeze({ name, verboseName, options, send });
    }
    const candidate = await this.#find(name, backend, candidates);
    named.add(candidate);
    const verboseName =
      entry.verboseName ?? senderBackendMetadata(candidate.type)?.verboseName ?? name;
    return Object.freeze({ name, verboseName, options, send: sendOf(candidate) });
  }

  async #find(
    name: string,
    backend: unknown,
    candidates: readonly Candidate[],
  ): Promise<Candidate> {
    if (typeof backend !== 'string' && !isBackendClass(backend)) {
      throw new TwoFactorConfigurationError(
        `The backend of sender ${name} is of type ${typeof backend}. Give the name of a decorated class, a class, or a ` +
          'factory ({ name, options, verboseName }) => send.',
      );
    }
    const matches = candidates.filter(({ type, wrapper }) =>
      typeof backend === 'string'
        ? senderBackendMetadata(type)?.name === backend
        : wrapper !== undefined && isOf(wrapper, backend),
    );
    const [match, ...others] = matches;
    if (others.length > 0) {
      throw duplicateNameError(
        typeof backend === 'string' ? `"${backend}"` : backend.name,
        matches,
      );
    }
    if (match !== undefined) return match;
    if (typeof backend !== 'string') return this.#make(backend);
    throw new TwoFactorConfigurationError(
      `Sender ${name} names the backend "${backend}", which no module provides: provide a class decorated with ` +
        `@SenderBackend(${JSON.stringify(backend)}) in a module (found: ${foundNames(candidates)}).`,
    );
  }

  /** A decorated class that no entry names is a sender by its own name. */
  #addUnnamed(
    senders: Map<string, ResolvedSender>,
    candidates: readonly Candidate[],
    named: ReadonlySet<Candidate>,
  ): void {
    for (const candidate of candidates) {
      const metadata = senderBackendMetadata(candidate.type);
      if (metadata === undefined) continue;
      const { name, verboseName = name } = metadata;
      const namesakes = candidates.filter(({ type }) => senderBackendMetadata(type)?.name === name);
      if (namesakes.length > 1) throw duplicateNameError(`"${name}"`, namesakes);
      if (named.has(candidate)) continue;
      if (!isName(name)) {
        throw new TwoFactorConfigurationError(
          `${candidate.type.name} is decorated with the name ${JSON.stringify(name)}, which is not ${NAME_RULE}.`,
        );
      }
      if (senders.has(name)) {
        throw new TwoFactorConfigurationError(
          `Sender ${name} of the options and the class ${candidate.type.name} are both named "${name}": rename one, or ` +
            `write backend: '${name}'.`,
        );
      }
      senders.set(
        name,
        Object.freeze({ name, verboseName, options: undefined, send: sendOf(candidate) }),
      );
    }
  }

  #assertSendersOfPurposes(): void {
    for (const [purpose, { senders = [] }] of this.options.purposes) {
      const unknown = senders.find((name) => !this.backends.has(name));
      if (unknown === undefined) continue;
      throw new TwoFactorConfigurationError(
        `Purpose ${purpose || "''"} names the sender "${unknown}", and there is none of that name: name some of ` +
          `${[...this.backends.keys()].join(', ') || '(none found)'}.`,
      );
    }
  }

  #assertDefault(senders: ReadonlyMap<string, ResolvedSender>): void {
    const { defaultSender } = this.options;
    if (senders.has(defaultSender)) return;
    // Without any sender there is nothing to be the default: such an application delivers by itself.
    if (senders.size === 0 && defaultSender === DEFAULTS.defaultSender) return;
    throw new TwoFactorConfigurationError(
      `The default sender is "${defaultSender}", and there is none of that name: set defaultSender to one of ` +
        `${[...senders.keys()].join(', ') || '(none found)'}.`,
    );
  }
}

async function callHook(instance: unknown, hook: LifecycleHook, signal?: string): Promise<void> {
  const hooks = instance as Partial<Record<LifecycleHook, (signal?: string) => unknown>>;
  await hooks[hook]?.(signal);
}

/** Whether a provider stands for a class: by its class, by its token or by what it made. */
function isOf({ metatype, token, instance }: Wrapper, type: Type<SenderBackend>): boolean {
  return (
    metatype === type ||
    token === type ||
    (instance as object | undefined | null)?.constructor === type
  );
}

/**
 * The class of what a provider made. A double under the token of a decorated class (`overrideProvider`) answers to the
 * name of that class.
 */
function typeOf({ metatype, token, instance }: Wrapper): unknown {
  const made: unknown = (instance as object | undefined | null)?.constructor ?? metatype;
  return !isDecorated(made) && isDecorated(token) ? token : made;
}

function isDecorated(type: unknown): boolean {
  return typeof type === 'function' && senderBackendMetadata(type) !== undefined;
}

function sendOf({ type, instance, wrapper, moduleName }: Candidate): SendFunction {
  assertSingleton(
    type,
    wrapper !== undefined && (wrapper.isTransient || !wrapper.isDependencyTreeStatic()),
  );
  const backend = instance as Partial<SenderBackend> | null;
  if (typeof backend?.send !== 'function') {
    throw new TwoFactorConfigurationError(
      `The sender backend ${type.name} in ${moduleName} has no method send. Let it implement SenderBackend.`,
    );
  }
  return (delivery) => (backend as SenderBackend).send(delivery);
}

function assertSingleton(type: Type<SenderBackend>, hasOtherScope: boolean): void {
  if (!hasOtherScope) return;
  throw new TwoFactorConfigurationError(
    `The sender backend ${type.name} is request-scoped or transient, or depends on something that is: make it a ` +
      'singleton, since what differs from message to message comes with each delivery.',
  );
}

function foundNames(candidates: readonly Candidate[]): string {
  const names = candidates.flatMap(({ type }) => senderBackendMetadata(type)?.name ?? []);
  return names.join(', ') || 'none';
}

function duplicateNameError(
  shown: string,
  candidates: readonly Candidate[],
): TwoFactorConfigurationError {
  const classes = candidates
    .map(({ type, moduleName }) => `${type.name} (in ${moduleName})`)
    .join(' and ');
  return new TwoFactorConfigurationError(
    `The sender backends ${classes} both answer to ${shown}: provide the class once, or rename one.`,
  );
}

/** The dependency that Nest could not resolve; `null` when it failed for another reason. */
function missingDependency(error: unknown): string | null {
  const { context } = error as { context?: { name?: unknown } };
  const name = context?.name;
  if (typeof name === 'function') return name.name;
  return typeof name === 'string' || typeof name === 'symbol' ? String(name) : null;
}
