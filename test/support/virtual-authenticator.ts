import type { CDPSession, Page } from 'playwright-core';

/** What a device is like: by default it is a telephone or a laptop, whose person passes every check at once. */
const DEVICE = {
  protocol: 'ctap2',
  transport: 'internal',
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
} as const;

type Device = Partial<Record<keyof typeof DEVICE, string | boolean>> & {
  readonly defaultBackupEligibility?: boolean;
  readonly defaultBackupState?: boolean;
};

/** Gives a page of Chromium an authenticator. */
export async function addVirtualAuthenticator(
  page: Page,
  device: Device = {},
): Promise<CDPSession> {
  const devTools = await page.context().newCDPSession(page);
  await devTools.send('WebAuthn.enable');
  await devTools.send('WebAuthn.addVirtualAuthenticator', {
    options: { ...DEVICE, ...device } as typeof DEVICE,
  });
  return devTools;
}
