// Every state of <two-factor-code>, for checks that each of them has to pass in each language, direction and colour.
import type { Browser, Locator, Page } from 'playwright-core';

import type { PageInput } from '../support/code-page.js';
import { change, phase, refuse, type ElementPages } from './element-steps.js';

/** The names of the states, in the order in which they are visited. */
export const STATES = [
  'initial',
  'refused',
  'methods to choose from',
  'code sent',
  'wrong code',
  'resend possible',
  'disabled',
  'recovery code',
  'confirmed',
  'expired',
  'queued',
  'delayed',
  'failed delivery',
  'locked',
  'cannot resend',
  'passkey',
  'passkey refused',
];

/** A control or a sentence by its part, which has the same name in each language. */
const part = (page: Page, name: string): Locator =>
  page.locator(`two-factor-code [part~=${name}]:visible`);
const start = (page: Page): Promise<void> => part(page, 'start').click();
const choose = (page: Page, method: string): Promise<void> =>
  page.locator(`two-factor-code [part~=method][part~=${method}]`).click();
const alerted = (page: Page): Promise<void> =>
  page.locator('two-factor-code [part=error]:not(:empty)').waitFor();

async function enter(page: Page, text: string): Promise<void> {
  await part(page, 'input').fill(text);
  await part(page, 'confirm').click();
}

/** Leads a person through the states on three pages, and calls `visit` in each. */
export async function visitStates(
  suite: ElementPages,
  input: PageInput,
  options: Parameters<Browser['newContext']>[0],
  visit: (page: Page, state: string) => Promise<void>,
): Promise<void> {
  const open = async (attributes: string, user = suite.newUser()): Promise<Page> => {
    const page = await suite.open({ ...input, attributes, user }, options);
    // axe waits by timers.
    await page.clock.resume();
    await part(page, 'start').waitFor();
    return page;
  };
  await visitMethods(suite, open, visit);
  await visitMessages(suite, await open('purpose="plain"'), visit);
  await visitPasskey(await open('purpose="plain"'), visit);
}

async function visitMethods(
  suite: ElementPages,
  open: (attributes: string, user?: string) => Promise<Page>,
  visit: (page: Page, state: string) => Promise<void>,
): Promise<void> {
  const { user, recoveryCodes } = await suite.newUserWithApp();
  const page = await open('purpose="login"', user);
  await visit(page, 'initial');
  await refuse(page, 'request-confirmation', 'no-subject');
  await start(page);
  await alerted(page);
  await visit(page, 'refused');
  await start(page);
  await part(page, 'methods').waitFor();
  await visit(page, 'methods to choose from');
  await choose(page, 'code');
  await part(page, 'resend').waitFor();
  await visit(page, 'code sent');
  await enter(page, suite.wrong());
  await alerted(page);
  await visit(page, 'wrong code');
  await suite.pages.pass(page, 61);
  await visit(page, 'resend possible');
  await page.evaluate('element.setAttribute("disabled", "")');
  await page.locator('two-factor-code [part=input]:disabled').waitFor();
  await visit(page, 'disabled');
  await page.evaluate('element.removeAttribute("disabled")');
  await choose(page, 'recovery');
  await page.locator('two-factor-code textarea').waitFor();
  await visit(page, 'recovery code');
  await enter(page, recoveryCodes[0]!);
  await phase(page, 'confirmed');
  await visit(page, 'confirmed');
  await page.evaluate('element.reset()');
  await start(page);
  await part(page, 'methods').waitFor();
  await suite.pages.pass(page, 601);
  await phase(page, 'ended');
  await visit(page, 'expired');
}

async function visitMessages(
  suite: ElementPages,
  page: Page,
  visit: (page: Page, state: string) => Promise<void>,
): Promise<void> {
  let delivery: Record<string, unknown> = { delivery: 'queued' };
  for (const route of ['request-confirmation', 'check']) {
    await change(page, route, () => delivery);
  }
  await start(page);
  await part(page, 'resend').waitFor();
  await visit(page, 'queued');
  await suite.pages.pass(page, 8);
  await page.locator('two-factor-code [part=status]:not(:empty)').waitFor();
  await visit(page, 'delayed');
  delivery = { delivery: 'failed', deliveryError: 'send-failed' };
  await suite.pages.pass(page, 8);
  await alerted(page);
  await visit(page, 'failed delivery');
  await refuse(page, 'confirm', 'too-many-requests', { retryAfter: 3_725 });
  await enter(page, suite.wrong());
  await page.locator('two-factor-code [part~=confirm][aria-disabled=true]').waitFor();
  await alerted(page);
  await visit(page, 'locked');
  await suite.pages.pass(page, 60);
  await refuse(page, 'resend', 'too-many-requests');
  await part(page, 'resend').click();
  await part(page, 'start').waitFor();
  await visit(page, 'cannot resend');
}

async function visitPasskey(
  page: Page,
  visit: (page: Page, state: string) => Promise<void>,
): Promise<void> {
  const methods = ['passkey', 'totp', 'code', 'recovery', 'device'];
  await change(page, 'request-confirmation', () => ({ method: 'passkey', methods }));
  await start(page);
  await part(page, 'passkey').first().waitFor();
  await visit(page, 'passkey');
  await refuse(page, 'challenge', 'code-mismatch', { attemptsLeft: 1 });
  await part(page, 'passkey').first().click();
  await alerted(page);
  await visit(page, 'passkey refused');
}
