import {
  Controller,
  type ControllerOptions as NestControllerOptions,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';

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
  /** Further class decorators, such as throttling or API tags. @default [] */
  readonly decorators?: readonly ClassDecorator[] | undefined;
}

const DEFAULT_PATH = '2factor';

/** Creates a class for each module, because two instances of the module may have different paths and guards. */
export function createTwoFactorController(options: ControllerOptions): Type<TwoFactorController> {
  const { path = DEFAULT_PATH, version, guards = [], interceptors = [], decorators = [] } = options;
  class ConfiguredTwoFactorController extends TwoFactorController {}
  // Logs, throttlers and API documents use the name of the class.
  Object.defineProperty(ConfiguredTwoFactorController, 'name', { value: TwoFactorController.name });
  Controller({ path, ...(version === undefined ? {} : { version }) })(
    ConfiguredTwoFactorController,
  );
  UseGuards(...guards)(ConfiguredTwoFactorController);
  UseInterceptors(...interceptors)(ConfiguredTwoFactorController);
  for (const decorate of decorators) decorate(ConfiguredTwoFactorController);
  return ConfiguredTwoFactorController;
}
