// The steps that the tests of <two-factor-code> in Chromium share: a page is opened as a new person, a code is typed, a call is refused.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import {
  chromium,
  type Browser,
  type BrowserContext,
  type Locator,
  type Page,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';

import { problem } from '../../lib/http/problem.js';
import { enrolApp } from '../support/authenticator.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium, SCREENSHOTS } from '../support/chromium.js';
import { CodePages, type PageInput } from '../support/code-page.js';

/** The attributes of an element that requests a code as soon as it is on the page. */
export const START = 'purpose="plain" start';

/** The pages of one file of tests, and the people on them. */
export class ElementPages {
  pages!: CodePages;
  #browser: Browser | undefined;
  readonly #contexts: BrowserContext[] = [];
  #users = 0;

  async start(executablePath: string): Promise<void> {
    this.pages = await CodePages.start();
    this.#browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  }

  async closePages(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    await this.pages?.close();
  }

  /** The name of a person that no other test uses. */
  newUser(): string {
    this.#users += 1;
    return `user${this.#users}`;
  }

  /** A new person with an authenticator app and recovery codes. */
  async newUserWithApp(): Promise<
    { readonly user: string } & Awaited<ReturnType<typeof enrolApp>>
  > {
    const user = this.newUser();
    return { user, ...(await enrolApp({ ...this.pages.test, clock: this.pages.clock }, user)) };
  }

  readonly open = async (
    input: PageInput & { readonly user?: string } = {},
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<Page> => {
    const { user = this.newUser(), attributes = START, ...others } = input;
    const opened = await this.pages.open(this.#browser!, user, { ...others, attributes }, options);
    this.#contexts.push(opened.context);
    return opened.page;
  };

  /** The code of the last message. */
  readonly code = (): string => this.pages.test.inbox.lastCode;

  /** Another code than that of the last message. */
  readonly wrong = (): string =>
    this.code().replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));
}

/** Tests on pages with the element, where there is a Chromium. */
export function describeElement(title: string, tests: (suite: ElementPages) => void): void {
  describe.each(hasChromium ? [CHROMIUM] : [])(`${title} in %s`, (executablePath) => {
    const suite = new ElementPages();
    beforeAll(() => suite.start(executablePath));
    afterEach(() => suite.closePages());
    afterAll(() => suite.stop());
    tests(suite);
  });
}

export const field = (page: Page): Locator => page.locator('two-factor-code').getByRole('textbox');
export const confirmButton = (page: Page): Locator => page.getByRole('button', { name: 'Confirm' });
export const alertOf = (page: Page): Locator => page.getByRole('alert');
export const eventsOf = (page: Page): Promise<[string, Record<string, unknown>][]> =>
  page.evaluate('events');

export async function phase(page: Page, name: string): Promise<void> {
  await page.locator(`two-factor-code[phase=${name}]`).waitFor({ state: 'attached' });
}

export async function asked(page: Page): Promise<void> {
  await phase(page, 'open');
  await field(page).waitFor();
}

export async function enter(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await confirmButton(page).click();
}

/** A route that refuses once, with a problem of the server. */
export async function refuse(
  page: Page,
  route: string,
  slug: string,
  members: Record<string, unknown> = {},
): Promise<void> {
  const body = { ...problem(slug), ...members };
  await page.route(
    `**/2factor/${route}`,
    (call) =>
      call.fulfill({
        status: body.status,
        contentType: 'application/problem+json',
        body: JSON.stringify(body),
      }),
    { times: 1 },
  );
}

/** Changes the members of each answer of a route. */
export async function change(
  page: Page,
  route: string,
  members: () => Record<string, unknown>,
): Promise<void> {
  await page.route(`**/2factor/${route}`, async (call) => {
    const response = await call.fetch();
    const body = (await response.json()) as Record<string, unknown>;
    await call.fulfill({ response, json: { ...body, ...members() } });
  });
}

export async function shoot(page: Page, name: string): Promise<void> {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `code-element-${name}.png`) });
}
