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
 * The bundled controller, when it is switched on.
 *
 * @publicApi
 */
export interface ControllerOptions {
  /** @default '2factor' */
  readonly path?: string | undefined;
  /** As in `@Controller({ version })`. @default none */
  readonly version?: NestControllerOptions['version'];
  /** Run after the check of the content type, in this order. @default [] */
  readonly guards?: readonly (Type<CanActivate> | CanActivate)[] | undefined;
  /** @default [] */
  readonly interceptors?: readonly (Type<NestInterceptor> | NestInterceptor)[] | undefined;
  /** Any class decorators: throttling, API tags, metadata of your own. @default [] */
  readonly decorators?: readonly ClassDecorator[] | undefined;
}

const DEFAULT_PATH = '2factor';

/** A fresh class for each module, so that two of them never share path or guards. */
export function createTwoFactorController(options: ControllerOptions): Type<TwoFactorController> {
  const { path = DEFAULT_PATH, version, guards = [], interceptors = [], decorators = [] } = options;
  class ConfiguredTwoFactorController extends TwoFactorController {}
  // What logs, throttlers and documents call it by.
  Object.defineProperty(ConfiguredTwoFactorController, 'name', { value: TwoFactorController.name });
  Controller({ path, ...(version === undefined ? {} : { version }) })(
    ConfiguredTwoFactorController,
  );
  UseGuards(...guards)(ConfiguredTwoFactorController);
  UseInterceptors(...interceptors)(ConfiguredTwoFactorController);
  for (const decorate of decorators) decorate(ConfiguredTwoFactorController);
  return ConfiguredTwoFactorController;
}
