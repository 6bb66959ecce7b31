import type { ExecutionContext } from '@nestjs/common';

import { DEVICE_METHOD, type ConfiguredMethods } from './methods.js';
import { callResolver } from './resolvers.js';

/** The token of a remembered device that a call brings, by the function of the application alone; `undefined` for none. */
export async function deviceTokenOf(
  methods: ConfiguredMethods,
  context: ExecutionContext,
): Promise<string | undefined> {
  const definition = methods.get(DEVICE_METHOD);
  if (definition?.tokenOf === undefined) return undefined;
  const found = await callResolver('token function of rememberedDevices()', () =>
    definition.tokenOf!(context),
  );
  return typeof found === 'string' ? found : undefined;
}
