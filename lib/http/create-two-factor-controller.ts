import {
  Controller,
  type ControllerOptions as NestControllerOptions,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';

import { refuseUnknown } from '../options/index.js';
import { FactorsController } from './factors.controller.js';
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
const KNOWN = [
  'path',
  'version',
  'guards',
  'interceptors',
  'decorators',
  'language',
] satisfies (keyof ControllerOptions)[];

/** Creates a class for each module, because two instances of the module may have different paths and guards. */
export function createTwoFactorController(options: ControllerOptions): Type<TwoFactorController> {
  refuseUnknown('member of controller:', options, KNOWN);
  class ConfiguredTwoFactorController extends TwoFactorController {
    protected override readonly language = options.language;
  }
  return configured(ConfiguredTwoFactorController, TwoFactorController.name, options);
}

/** Does the same as `createTwoFactorController`, for the routes of the factors. */
export function createFactorsController(options: ControllerOptions): Type<FactorsController> {
  class ConfiguredFactorsController extends FactorsController {}
  return configured(ConfiguredFactorsController, FactorsController.name, options);
}

function configured<T>(type: Type<T>, name: string, options: ControllerOptions): Type<T> {
  const { path = DEFAULT_PATH, version, guards = [], interceptors = [], decorators = [] } = options;
  // Logs, throttlers and API documents use the name of the class.
  Object.defineProperty(type, 'name', { value: name });
  Controller({ path, ...(version === undefined ? {} : { version }) })(type);
  UseGuards(...guards)(type);
  UseInterceptors(...interceptors)(type);
  for (const decorate of decorators) decorate(type);
  return type;
}
