import {
  Controller,
  type ControllerOptions as NestControllerOptions,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { formatValue, refuseUnknown } from '../options/index.js';
import { FactorsController } from './factors.controller.js';
import { methodsOfRoute } from './json-route.decorator.js';
import type { LanguageResolver } from './language.js';
import { TwoFactorController } from './two-factor.controller.js';

/**
 * The options of the bundled controller.
 *
 * @publicApi
 */
export interface ControllerOptions {
  /** The path of the controller. @default '2factor' */
  readonly path?: string | undefined;
  /** The version, as in `@Controller({ version })`. @default none */
  readonly version?: NestControllerOptions['version'];
  /** Guards of all routes; they run in this order, after the check of the content type. @default [] */
  readonly guards?: readonly (Type<CanActivate> | CanActivate)[] | undefined;
  /**
   * Guards of `request-confirmation` alone, such as a CAPTCHA before an anonymous request; they run in this order, after `guards`.
   * @default []
   */
  readonly requestGuards?: readonly (Type<CanActivate> | CanActivate)[] | undefined;
  /** Interceptors of all routes. @default [] */
  readonly interceptors?: readonly (Type<NestInterceptor> | NestInterceptor)[] | undefined;
  /**
   * The language of a request, which senders receive as `context.language` and a repeated message keeps: a BCP 47 tag of at most
   * 35 characters, whatever a client sends. A function of the request, or `false` for none.
   * @default the language that `Accept-Language` weighs most
   */
  readonly language?: LanguageResolver | false | undefined;
  /** Further class decorators, such as throttling or API tags. @default [] */
  readonly decorators?: readonly ClassDecorator[] | undefined;
}

const DEFAULT_PATH = '2factor';
const KNOWN_OPTIONS = [
  'path',
  'version',
  'guards',
  'requestGuards',
  'interceptors',
  'decorators',
  'language',
] satisfies (keyof ControllerOptions)[];

/** Creates a class for each module, because two instances of the module may have different paths and guards. */
export function createTwoFactorController(options: ControllerOptions): Type<TwoFactorController> {
  refuseUnknown('member of controller:', options, KNOWN_OPTIONS);
  assertGuards('guards', options.guards);
  assertGuards('requestGuards', options.requestGuards);
  assertLanguage(options.language);
  class ConfiguredTwoFactorController extends TwoFactorController {
    protected override readonly language = options.language;
  }
  const type = configureController(
    ConfiguredTwoFactorController,
    TwoFactorController.name,
    options,
  );
  if (options.requestGuards) guardRoute(type, 'requestConfirmation', options.requestGuards);
  return type;
}

/** Does the same as `createTwoFactorController`, for the routes of the factors. */
export function createFactorsController(options: ControllerOptions): Type<FactorsController> {
  class ConfiguredFactorsController extends FactorsController {}
  return configureController(ConfiguredFactorsController, FactorsController.name, options);
}

function configureController<T>(type: Type<T>, name: string, options: ControllerOptions): Type<T> {
  const { path = DEFAULT_PATH, version, guards = [], interceptors = [], decorators = [] } = options;
  // Logs, throttlers and API documents use the name of the class.
  Object.defineProperty(type, 'name', { value: name });
  Controller({ path, ...(version === undefined ? {} : { version }) })(type);
  UseGuards(...guards)(type);
  UseInterceptors(...interceptors)(type);
  for (const decorate of decorators) decorate(type);
  return type;
}

/**
 * Adds guards to one route. Nest keeps the guards of a method on its function, which all subclasses inherit, so that this class gets
 * functions of its own: otherwise a second module would have the guards too.
 */
function guardRoute(
  type: Type<TwoFactorController>,
  route: keyof TwoFactorController,
  guards: readonly (Type<CanActivate> | CanActivate)[],
): void {
  const prototype = type.prototype as Record<string, (...values: unknown[]) => unknown>;
  for (const method of methodsOfRoute(route)) {
    const inherited = prototype[method]!;
    const own = function (this: unknown, ...values: unknown[]): unknown {
      return inherited.apply(this, values);
    };
    Object.defineProperty(own, 'name', { value: inherited.name });
    for (const key of Reflect.getMetadataKeys(inherited) as unknown[]) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, inherited), own);
    }
    const descriptor = { value: own, writable: true, configurable: true };
    Object.defineProperty(prototype, method, descriptor);
    UseGuards(...guards)(prototype, method, descriptor);
  }
}

/** @throws TwoFactorConfigurationError for a text, such as 'de': each request would fail, because the language is that of a request. */
function assertLanguage(language: unknown): void {
  if (language === undefined || language === false || typeof language === 'function') return;
  throw new TwoFactorConfigurationError(
    `The option language of the controller is ${formatValue(language)}. Give a function of the request, or false for none.`,
  );
}

/** @throws TwoFactorConfigurationError for anything but a list of guards: a guard that is not there would leave the route open. */
function assertGuards(member: 'guards' | 'requestGuards', guards: unknown): void {
  if (guards === undefined || (Array.isArray(guards) && guards.every(isGuard))) return;
  throw new TwoFactorConfigurationError(
    `The option controller.${member} is no list of guards: give classes or objects with canActivate, as in ` +
      `[SignedInGuard]. A class is undefined where two files import each other.`,
  );
}

/** An arrow function has no prototype: Nest could not construct it. */
function isGuard(guard: unknown): boolean {
  if (typeof guard === 'function') return guard.prototype !== undefined;
  return typeof (guard as CanActivate | null | undefined)?.canActivate === 'function';
}
