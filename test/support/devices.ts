import {
  FactorService,
  rememberedDevices,
  type MakeConfirmationInput,
  type RememberedDevice,
} from '../../lib/index.js';
import type { TestApp } from './test-app.js';

/** Devices of an application whose calls bring their token in a header. */
export const DEVICES = rememberedDevices({
  days: 30,
  token: (context) =>
    context
      .switchToHttp()
      .getRequest<{ readonly headers: Readonly<Record<string, string | undefined>> }>().headers[
      'x-device'
    ],
});

type App = Pick<TestApp, 'app' | 'confirmer'>;

/** A confirmation that its subject has just confirmed by a sent code, and used. */
export async function usedConfirmation(
  { confirmer }: App,
  subject: string,
  given: MakeConfirmationInput = {},
): Promise<string> {
  const state = await confirmer.makeConfirmation({ subject, ...given });
  if (state.code !== null) await confirmer.confirm(state.id, state.code);
  const { purpose } = given;
  if (!(await confirmer.use(state.id, { subject, purpose }))) throw new Error('It was not used.');
  return state.id;
}

/** Remembers a device after a sent code. */
export async function rememberDevice(test: App, subject: string): Promise<RememberedDevice> {
  const confirmation = await usedConfirmation(test, subject);
  const factors = test.app.get(FactorService, { strict: false });
  const device = await factors.remember({ confirmation });
  if (device === null) throw new Error('The device was not remembered.');
  return device;
}
