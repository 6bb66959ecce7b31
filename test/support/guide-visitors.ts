// The people who use the bank of the guides in one test, and what several of its tests do for them.
import { chromium, type Browser, type Route } from 'playwright-core';

import { CHROMIUM, CHROMIUM_ARGS } from './chromium.js';
import type { GuideApplication } from './guide-application.js';
import { GuidePerson } from './guide-person.js';

export class GuideVisitors {
  readonly #bank: () => GuideApplication;
  #browser: Browser | undefined;
  readonly #people: GuidePerson[] = [];

  /** @param bank is asked for in the tests, because it is built after they are registered. */
  constructor(bank: () => GuideApplication) {
    this.#bank = bank;
  }

  get bank(): GuideApplication {
    return this.#bank();
  }

  async openBrowser(): Promise<void> {
    this.#browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  }

  async closeBrowser(): Promise<void> {
    await this.#browser?.close();
  }

  /** Closes the windows of all people of a test. */
  async leave(): Promise<void> {
    await Promise.all(this.#people.splice(0).map((person) => person.close()));
  }

  async person(name: string): Promise<GuidePerson> {
    const one = await this.elsewhere(name);
    await one.signUp();
    return one;
  }

  /** A further browser of a person, in which no one is signed in. */
  async elsewhere(name: string): Promise<GuidePerson> {
    const one = await GuidePerson.open(this.#browser!, this.bank, name);
    this.#people.push(one);
    return one;
  }

  async withPhone(name: string, phone: string): Promise<GuidePerson> {
    const one = await this.person(name);
    await one.enterPhone(phone);
    await one.confirmByMessage(phone);
    await one.reads(`Your number is ${phone} now.`);
    return one;
  }
}

/** Lets the server do the next call of a route, and loses its answer. */
export async function loseAnswer(
  one: GuidePerson,
  { method, path }: { readonly method: string; readonly path: string },
  answer: (call: Route) => Promise<void> = (call) => call.abort(),
): Promise<void> {
  let isFirst = true;
  await one.page.route(`**${path}`, async (call) => {
    if (call.request().method() !== method || !isFirst) return call.continue();
    isFirst = false;
    await call.fetch();
    return answer(call);
  });
}
