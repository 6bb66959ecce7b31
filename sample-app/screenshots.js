// Makes docs/screenshots/: `npm run screenshots`. Starts the sample application with a folder of its own, walks through it
// in Chromium (CHROMIUM_PATH) and takes the pictures that the README shows.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const FOLDER = fileURLToPath(new URL('../docs/screenshots', import.meta.url));
const PASSWORD = 'correct horse battery';
const PICTURES = [
  // Wide enough for the mailbox beside the page.
  { name: 'code-light', width: 840, height: 480, colorScheme: 'light', of: 'code' },
  { name: 'account-dark', width: 480, colorScheme: 'dark', of: 'account' },
  { name: 'transfer-320', width: 320, colorScheme: 'light', of: 'transfer' },
];

const data = await mkdtemp(join(tmpdir(), 'screenshots-'));
const child = spawn('npm', ['start'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  env: { ...process.env, PORT: '0', DATA_FOLDER: data },
  stdio: ['ignore', 'pipe', 'inherit'],
  detached: true,
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu'],
});
try {
  const url = await address();
  for (const picture of PICTURES) await take(url, picture);
} finally {
  await browser.close();
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  await rm(data, { recursive: true, force: true });
}

async function address() {
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /Open (http:\S+)\//.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('The sample application ended before it listened.');
}

async function take(url, { name, width, height = 720, colorScheme, of }) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height } });
  const page = await context.newPage();
  const email = `${name}@bank.example`;
  const used = new Set();
  const shoot = async () => {
    await page.evaluate('document.activeElement.blur(); scrollTo(0, 0)');
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    await context.close();
  };
  const enter = async () => {
    await page.locator('two-factor-code input').waitFor();
    await page.locator('two-factor-code input').fill(await newCode(url, email, used));

    await page.getByRole('button', { name: 'Confirm' }).click();
  };

  await page.goto(url);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.locator('#sign-up-email').fill(email);
  await page.locator('#sign-up-password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.locator('two-factor-code input').waitFor();
  if (of === 'code') {
    await page.locator('#mails li').waitFor();
    return shoot();
  }
  await enter();
  await page.locator('#sign-in-password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Continue' }).click();
  await enter();
  await page.getByRole('status').getByText('You are signed in.').waitFor();
  await page.locator('#transfer-payee').fill('bob@bank.example');
  await page.locator('#transfer-amount').fill('10.50');
  await page.getByRole('button', { name: 'Transfer' }).click();
  await page.locator('#code-details').getByText('10.50 EUR').waitFor();
  if (of === 'transfer') return shoot();
  await enter();
  await page.getByRole('status').getByText('Paid 10.50 EUR').waitFor();
  return shoot();
}

/** The code of a message that was not read before: messages leave after the page has asked for them. */
async function newCode(url, email, used) {
  for (;;) {
    const messages = await (await fetch(`${url}/inbox/messages`)).json();
    const message = messages.find((each) => each.to === email && /\b\d{6}\b/.test(each.text));
    if (message !== undefined && !used.has(message.receivedAt)) {
      used.add(message.receivedAt);
      return /\b\d{6}\b/.exec(message.text)[0];
    }
    await setTimeout(50);
  }
}
