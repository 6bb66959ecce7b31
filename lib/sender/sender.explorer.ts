import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryService, ModuleRef } from '@nestjs/core';

import { TwoFactorConfigurationError } from '../errors/index.js';
import {
  assertVerboseName,
  DEFAULTS,
  isName,
  NAME_RULE,
  type PurposeDefinition,
  type ResolvedOptions,
  type SenderEntry,
} from '../options/index.js';
import { InjectTwoFactorOptions, SENDER_BACKENDS } from '../two-factor.tokens.js';
import { callHook, OwnInstances } from './own-instances.js';
import { senderBackendMetadata, hintAtUnprovidedClasses } from './sender-backend.decorator.js';
import {
  candidatesOf,
  decoratedNames,
  duplicateNameError,
  isNamedBy,
  sendFunctionOf,
  type Candidate,
} from './sender-candidate.js';
import { isBackendClass, type SenderBackendFactory } from './sender-definition.js';
import { SenderRegistry, type ResolvedSender, type SenderBackends } from './sender-registry.js';

/**
 * Finds the sender backends of all modules, creates those that no module provides, and fills the registry with the senders.
 * No other file calls `DiscoveryService`.
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
  readonly #ownInstances: OwnInstances;
  /** The functions that factories returned. */
  readonly #sendFunctions: unknown[] = [];
  /** The classes of all providers. */
  #provided: ReadonlySet<unknown> = new Set();

  constructor(
    private readonly discovery: DiscoveryService,
    moduleRef: ModuleRef,
    @Inject(SENDER_BACKENDS) private readonly backends: SenderBackends,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {
    this.#ownInstances = new OwnInstances(moduleRef);
  }

  async onModuleInit(): Promise<void> {
    // The module extra `senderBackends` replaces the registry. Its provider then holds its own senders.
    if (!(this.backends instanceof SenderRegistry)) return;
    const candidates = candidatesOf(this.discovery.getProviders());
    this.#provided = new Set(candidates.map(({ type }) => type));
    const senders = new Map<string, ResolvedSender>();
    const named = new Set<Candidate>();
    for (const [name, entry] of this.options.senders) {
      senders.set(name, await this.#resolve(name, entry, candidates, named));
    }
    this.#addDecoratedOnly(senders, candidates, named);
    this.#assertDefault(senders);
    for (const { name, verboseName } of senders.values()) assertVerboseName(name, verboseName);
    this.backends.fill(senders);
  }

  /** @throws TwoFactorConfigurationError for a controller that is to send codes and has no sender. */
  assertAnySender(): void {
    const purposes = [...this.options.purposes.values()];
    const sendsNothing = purposes.length > 0 && !purposes.some(mayHaveCode);
    if (this.backends.size > 0 || sendsNothing) return;
    throw new TwoFactorConfigurationError(
      'The controller is on, and there is no sender to deliver its codes: give senders in the options, or leave ' +
        `controller out${hintAtUnprovidedClasses(this.#provided)}.`,
    );
  }

  async onApplicationBootstrap(): Promise<void> {
    // Not earlier, because a provider that replaces the registry may fill itself in its own onModuleInit.
    this.#assertSendersOfPurposes();
    await this.#ownInstances.callHooks('onApplicationBootstrap');
  }

  async onModuleDestroy(): Promise<void> {
    await this.#ownInstances.callHooks('onModuleDestroy');
  }

  async beforeApplicationShutdown(signal?: string): Promise<void> {
    await this.#ownInstances.callHooks('beforeApplicationShutdown', signal);
  }

  async onApplicationShutdown(signal?: string): Promise<void> {
    await this.#ownInstances.callHooks('onApplicationShutdown', signal);
    for (const send of this.#sendFunctions) await callHook(send, 'onApplicationShutdown', signal);
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
      const send = await (backend as SenderBackendFactory)({
        name,
        options,
        verboseName,
        codeGenerator: this.options.codeGenerator,
        sendTimeoutMs: this.options.sendTimeoutMs,
        resolve: (other, further) => this.#resolve(other, further, candidates, named),
      });
      if (typeof send !== 'function') {
        throw new TwoFactorConfigurationError(
          `The backend of sender ${name} is a factory that did not return a function. Return (delivery) => ... from it.`,
        );
      }
      this.#sendFunctions.push(send);
      return Object.freeze({ name, verboseName, options, send });
    }
    const candidate = await this.#find(name, backend, candidates);
    named.add(candidate);
    const verboseName =
      entry.verboseName ?? senderBackendMetadata(candidate.type)?.verboseName ?? name;
    return Object.freeze({ name, verboseName, options, send: sendFunctionOf(candidate) });
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
    const matches = candidates.filter((candidate) => isNamedBy(candidate, backend));
    const [match, ...others] = matches;
    if (others.length > 0) {
      throw duplicateNameError(
        typeof backend === 'string' ? `"${backend}"` : backend.name,
        matches,
      );
    }
    if (match !== undefined) return match;
    if (typeof backend !== 'string') return this.#ownInstances.getOrCreate(backend);
    throw new TwoFactorConfigurationError(
      `Sender ${name} names the backend "${backend}", which no module provides: provide a class decorated with ` +
        `@SenderBackend(${JSON.stringify(backend)}) in a module (found: ${decoratedNames(candidates)})${hintAtUnprovidedClasses(this.#provided, backend)}.`,
    );
  }

  /** Adds each decorated class that no entry of `senders` names, as a sender under the decorator's name. */
  #addDecoratedOnly(
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
        Object.freeze({ name, verboseName, options: undefined, send: sendFunctionOf(candidate) }),
      );
    }
  }

  #assertSendersOfPurposes(): void {
    for (const [purpose, { senders = [] }] of this.options.purposes) {
      const unknown = senders.find((name) => !this.backends.has(name));
      if (unknown === undefined) continue;
      throw new TwoFactorConfigurationError(
        `Purpose ${purpose || "''"} names the sender "${unknown}", and there is none of that name: name some of ` +
          `${[...this.backends.keys()].join(', ') || '(none found)'}${hintAtUnprovidedClasses(this.#provided, unknown)}.`,
      );
    }
  }

  #assertDefault(senders: ReadonlyMap<string, ResolvedSender>): void {
    const { defaultSender } = this.options;
    if (senders.has(defaultSender)) return;
    // An application without any sender delivers the codes itself and needs no default sender.
    if (senders.size === 0 && defaultSender === DEFAULTS.defaultSender) return;
    throw new TwoFactorConfigurationError(
      `The default sender is "${defaultSender}", and there is none of that name: set defaultSender to one of ` +
        `${[...senders.keys()].join(', ') || '(none found)'}${hintAtUnprovidedClasses(this.#provided, defaultSender)}.`,
    );
  }
}

/** Whether a confirmation for the purpose may be confirmed by a code that is sent. */
function mayHaveCode({ methods, recipient }: PurposeDefinition): boolean {
  if (methods === undefined) return true;
  return recipient !== undefined && (typeof methods === 'function' || methods.includes('code'));
}
