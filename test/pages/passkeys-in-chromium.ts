// What a real browser answers: Chromium with its virtual authenticator enrols a passkey and confirms with it on a page of
// http://localhost. The software authenticator of the test kit could share a mistake with the code that it tests; Chromium cannot.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { chromium, type Browser, type CDPSession, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { EnrolledPasskey } from '../../lib/methods/passkey/passkey-ceremonies.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium } from '../support/chromium.js';
import { PasskeyBench, randomText, SUBJECT } from '../support/passkeys.js';
import { addVirtualAuthenticator } from '../support/virtual-authenticator.js';

/** The two functions of a page. They run in the browser, and hand over JSON as an application's page does. */
const CREATE = `async (options) => (await navigator.credentials.create({
  publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
})).toJSON()`;
const GET = `async (options) => (await navigator.credentials.get({
  publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
})).toJSON()`;
const KINDS = [
  ['of this device', false],
  ['that a provider copies', true],
] as const;

describe.each(hasChromium ? [CHROMIUM] : [])('A passkey in %s', (executablePath) => {
  let server: Server;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    server = createServer((_, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>ACME</title>');
    });
    await new Promise<void>((resolve) => {
      server.listen(0, 'localhost', resolve);
    });
    origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  });

  afterAll(async () => {
    await browser.close();
    server.close();
  });

  interface Enrolled {
    readonly bench: PasskeyBench;
    readonly page: Page;
    readonly devTools: CDPSession;
    readonly passkey: EnrolledPasskey;
  }

  /** A new browser with an authenticator of its own, in which a person enrols a passkey. */
  async function enrol(isSynced: boolean): Promise<Enrolled> {
    const bench = await PasskeyBench.open({ rpId: 'localhost', origins: [origin] });
    const page = await (await browser.newContext()).newPage();
    await page.goto(origin);
    const devTools = await addVirtualAuthenticator(page, {
      defaultBackupEligibility: isSynced,
      defaultBackupState: isSynced,
    });
    const response: unknown = await answer(page, CREATE, bench.creationOptions());
    const { credential, refusal } = await bench.register(response);
    expect(refusal).toBeNull();
    return {
      bench,
      page,
      devTools,
      passkey: { ...credential!, factorId: 'factor-1', subject: SUBJECT },
    };
  }

  const answer = (page: Page, ask: string, options: object): Promise<unknown> =>
    page.evaluate(`(${ask})(${JSON.stringify(options)})`);

  it.each(KINDS)('enrols and confirms when it is one %s', async (_, isSynced) => {
    const { bench, page, passkey } = await enrol(isSynced);
    expect(passkey).toMatchObject({ isBackupEligible: isSynced, transports: ['internal'] });

    const response = await answer(page, GET, bench.requestOptions(passkey));
    const { evidence, refusal } = await bench.assert(response, passkey);
    expect(refusal).toBeNull();
    expect(evidence).toMatchObject({ factorId: 'factor-1' });

    // The same answer for another amount, and again after its counter was stored.
    expect((await bench.assert(response, passkey, { challenge: randomText() })).refusal).toBe(
      'challenge',
    );
    const { counter } = evidence!;
    const again = await bench.assert(response, { ...passkey, counter });
    expect(again.refusal).toBe(counter === 0 ? null : 'counter');
  });

  it('is not enrolled twice by the browser when it is excluded', async () => {
    const { bench, page, passkey } = await enrol(false);
    const options = {
      ...bench.creationOptions(),
      excludeCredentials: bench.requestOptions(passkey).allowCredentials,
    };

    await expect(answer(page, CREATE, options)).rejects.toThrow('InvalidStateError');
  });

  it('is refused when it was used in a frame of another site', async () => {
    const { bench, page, passkey } = await enrol(false);
    // Another host of this machine is another site.
    await page.goto(origin.replace('localhost', '127.0.0.1'));
    await page.evaluate(`new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.allow = 'publickey-credentials-get *';
      frame.src = '${origin}';
      frame.onload = resolve;
      document.body.append(frame);
    })`);
    const frame = page.frames().find((one) => one.url().startsWith(origin))!;

    const response: unknown = await frame.evaluate(
      `(${GET})(${JSON.stringify(bench.requestOptions(passkey))})`,
    );
    expect((await bench.assert(response, passkey)).refusal).toBe('cross-origin');
  });

  it('is not used by the browser when the person is not verified', async () => {
    const { bench, page, devTools, passkey } = await enrol(false);
    await devTools.send('WebAuthn.disable');
    await devTools.send('WebAuthn.enable');
    await devTools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'usb', automaticPresenceSimulation: true },
    });
    const options = { ...bench.requestOptions(passkey), timeout: 1_000 };

    await expect(answer(page, GET, options)).rejects.toThrow('NotAllowedError');
  });
});
