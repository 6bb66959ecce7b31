import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where tests leave pictures of what they saw. */
export const SCREENSHOTS = join(
  fileURLToPath(new URL('../..', import.meta.url)),
  '.tmp/screenshots',
);

export const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
export const CHROMIUM_ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const hasChromium = existsSync(CHROMIUM);

if (!hasChromium) {
  const sentence = `There is no Chromium at ${CHROMIUM} (CHROMIUM_PATH)`;
  if (process.env['TEST_REQUIRED_ENGINES']) {
    throw new Error(`${sentence}: the sample application's pages cannot be walked through.`);
  }
  process.stdout.write(`${sentence}: the browser is left out, only its requests are made.\n`);
}
