import type { Type } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { senderBackendMetadata, type SenderBackend } from './sender-backend.decorator.js';
import type { SendFunction } from './sender-definition.js';

/** A provider of the application, as Nest keeps it. */
export type Provider = ReturnType<DiscoveryService['getProviders']>[number];

/** An object that may be a sender backend. */
export interface Candidate {
  readonly type: Type<SenderBackend>;
  readonly instance: unknown;
  readonly moduleName: string;
  /** Absent for an object that this package created. */
  readonly provider?: Provider;
}

/** One candidate for each object that the providers created. An alias repeats another provider and is left out. */
export function candidatesOf(providers: readonly Provider[]): Candidate[] {
  const seen = new Set<unknown>();
  return providers.flatMap((provider): Candidate[] => {
    const instance: unknown = provider.instance;
    const type = typeOf(provider);
    if (provider.isAlias || typeof type !== 'function' || seen.has(instance ?? provider)) return [];
    seen.add(instance ?? provider);
    const moduleName = provider.host?.name ?? 'an unknown module';
    return [{ type: type as Type<SenderBackend>, instance, moduleName, provider }];
  });
}

/** Whether a candidate is the backend that a sender names: by the name of its decorator, or by its class. */
export function isNamedBy(
  { type, provider }: Candidate,
  backend: string | Type<SenderBackend>,
): boolean {
  if (typeof backend === 'string') return senderBackendMetadata(type)?.name === backend;
  return provider !== undefined && isProviderOf(provider, backend);
}

/** @throws TwoFactorConfigurationError when the candidate has no method `send`, or is not a singleton. */
export function sendFunctionOf({ type, instance, provider, moduleName }: Candidate): SendFunction {
  assertSingleton(
    type,
    provider !== undefined && (provider.isTransient || !provider.isDependencyTreeStatic()),
  );
  const backend = instance as Partial<SenderBackend> | null;
  if (typeof backend?.send !== 'function') {
    throw new TwoFactorConfigurationError(
      `The sender backend ${type.name} in ${moduleName} has no method send. Let it implement SenderBackend.`,
    );
  }
  return (delivery) => (backend as SenderBackend).send(delivery);
}

/** @throws TwoFactorConfigurationError for another scope, because messages are also sent outside of a request. */
export function assertSingleton(type: Type<SenderBackend>, hasOtherScope: boolean): void {
  if (!hasOtherScope) return;
  throw new TwoFactorConfigurationError(
    `The sender backend ${type.name} is request-scoped or transient, or depends on something that is: make it a ` +
      'singleton, since what differs from message to message comes with each delivery.',
  );
}

/** The names of all decorated classes, for an error message. */
export function decoratedNames(candidates: readonly Candidate[]): string {
  const names = candidates.flatMap(({ type }) => senderBackendMetadata(type)?.name ?? []);
  return names.join(', ') || 'none';
}

/** @param shown The name that all candidates have, as the message shows it. */
export function duplicateNameError(
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

/** Whether a provider is of a class: by its class, by its token, or by the object that it created. */
function isProviderOf({ metatype, token, instance }: Provider, type: Type<SenderBackend>): boolean {
  return (
    metatype === type ||
    token === type ||
    (instance as object | undefined | null)?.constructor === type
  );
}

/**
 * The class of the object that a provider created; for a factory and a value, nothing else tells the class. A double under
 * the token of a decorated class (`overrideProvider`) counts as that class and keeps its sender's name.
 */
function typeOf({ metatype, token, instance }: Provider): unknown {
  const created: unknown = (instance as object | undefined | null)?.constructor ?? metatype;
  return !isDecorated(created) && isDecorated(token) ? token : created;
}

function isDecorated(type: unknown): boolean {
  return typeof type === 'function' && senderBackendMetadata(type) !== undefined;
}
