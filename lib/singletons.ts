import { Injectable, Scope, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';

import { TwoFactorConfigurationError } from './errors/index.js';
import { TWO_FACTOR_OPTIONS } from './two-factor.tokens.js';

type NestModule = ModulesContainer extends Map<string, infer Module> ? Module : never;
type Wrapper = NestModule['providers'] extends Map<unknown, infer Each> ? Each : never;

/**
 * Refuses a module that depends on a request-scoped or a transient provider, by whatever path: Nest would create the services
 * anew for each request, run none of their hooks, and give background work no options. This class itself depends on none of
 * them, so that its hook runs.
 */
@Injectable()
export class SingletonCheck implements OnModuleInit {
  constructor(private readonly modules: ModulesContainer) {}

  /** @throws TwoFactorConfigurationError that names the provider and the path to it. */
  onModuleInit(): void {
    const seen = new Set<Wrapper>();
    for (const { providers } of this.modules.values()) {
      if (!providers.has(TWO_FACTOR_OPTIONS)) continue;
      for (const wrapper of providers.values()) visit(wrapper, [], seen);
    }
  }
}

function visit(wrapper: Wrapper, path: readonly string[], seen: Set<Wrapper>): void {
  if (seen.has(wrapper)) return;
  seen.add(wrapper);
  const name = nameOf(wrapper);
  const isRequestScoped = wrapper.scope === Scope.REQUEST;
  if (isRequestScoped || wrapper.isTransient) {
    throw new TwoFactorConfigurationError(
      `TwoFactorModule depends on ${name}, which is ${isRequestScoped ? 'request-scoped' : 'transient'} (` +
        `${[...path, name].join(' -> ')}). Its options are read once, at boot: inject singletons alone, and resolve what ` +
        'differs from request to request in the resolvers of purposes.',
    );
  }
  const dependencies = [
    ...((wrapper.getCtorMetadata() as Wrapper[] | undefined) ?? []),
    ...((wrapper.getPropertiesMetadata() ?? []) as { wrapper: Wrapper }[]).map(
      (each) => each.wrapper,
    ),
  ];
  for (const dependency of dependencies) {
    if (dependency !== undefined) visit(dependency, [...path, name], seen);
  }
}

function nameOf({ name, token }: Wrapper): string {
  return typeof name === 'string' ? name : String(typeof token === 'function' ? token.name : token);
}
