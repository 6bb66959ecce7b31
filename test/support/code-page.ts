// A page with <two-factor-code> on a real application, and the people who use it.
import type { ExecutionContext } from '@nestjs/common';
import type { Browser, BrowserContext, Page } from 'playwright-core';

import { digits, type PurposeDefinition } from '../../lib/index.js';
import { METHODS } from './authenticator.js';
import { bundleClient } from './client-bundle.js';
import { startHttpApp, type HttpTestApp } from './http.js';
import { TestClock } from './test-app.js';

/** The person is named by a cookie, which stands in for a session. */
function subject(context: ExecutionContext): string | undefined {
  const { headers } = context.switchToHttp().getRequest<{ headers: { cookie?: string } }>();
  return /user=(\w+)/.exec(headers.cookie ?? '')?.[1];
}

const recipient = (context: ExecutionContext): string => `${subject(context)}@example.com`;

const purposes = {
  plain: { subject, recipient },
  login: { subject, recipient, methods: ['totp', 'code', 'recovery'] },
} satisfies Record<string, PurposeDefinition>;

/** What a page of the application looks like around the element. */
export interface PageInput {
  /** The attributes of `<html>`. */
  readonly html?: string;
  readonly attributes?: string;
  /** What stands beside the element in the form. */
  readonly beside?: string;
  /** A script that runs after the element is defined. */
  readonly script?: string;
}

/** Allows nothing inline but the script of the page: no style, no text that becomes HTML. */
const POLICY =
  "default-src 'none'; connect-src 'self'; script-src 'self' 'nonce-page'; style-src 'nonce-page'; " +
  "require-trusted-types-for 'script'";

function pageOf({
  html = 'lang="en"',
  attributes = '',
  beside = '',
  script = '',
}: PageInput): string {
  return `<!doctype html>
<html ${html}>
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>ACME</title>
  <style nonce="page">
    :root { color-scheme: light dark; }
    body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }
    main { max-width: 32rem; margin: 0 auto; padding: 1rem; }
  </style>
  <script type="module" nonce="page">
    import { TwoFactorCode } from '/client/element/index.js';
    window.events = [];
    for (const type of ['requested', 'confirmed', 'refused']) {
      addEventListener('two-factor-' + type, ({ detail }) => events.push([type, detail]));
    }
    window.element = document.querySelector('two-factor-code');
    ${script}
  </script>
</head>
<body>
  <main>
    <h1>Transfer</h1>
    <form id="transfer">
      <two-factor-code name="confirmation" ${attributes}></two-factor-code>
      ${beside}
    </form>
  </main>
</body>
</html>`;
}

/** An application with the element on its pages. */
export class CodePages {
  private constructor(
    readonly test: HttpTestApp,
    readonly origin: string,
    readonly clock: TestClock,
    private readonly pages: Map<string, string>,
  ) {}

  static async start(): Promise<CodePages> {
    const files = await bundleClient();
    const pages = new Map<string, string>();
    const clock = new TestClock();
    const test = await startHttpApp({
      options: {
        controller: true,
        methods: METHODS,
        purposes,
        limits: {},
        codeGenerator: digits(6),
        clock,
      },
      configure: (app) => {
        app.use((request: WebRequest, response: WebResponse, next: () => void) => {
          response.setHeader('date', new Date(clock.now()).toUTCString());
          const { pathname } = new URL(request.url, 'http://localhost');
          const script = files.get(pathname.slice(1));
          const page = pages.get(pathname);
          if (script !== undefined) {
            response.setHeader('content-type', 'text/javascript');
            response.end(script);
          } else if (page === undefined) {
            next();
          } else {
            response.setHeader('content-type', 'text/html');
            response.setHeader('content-security-policy', POLICY);
            response.end(page);
          }
        });
      },
    });
    // Chromium offers passkeys on http://localhost, and not on 127.0.0.1.
    const origin = (await test.app.getUrl()).replace('127.0.0.1', 'localhost');
    return new CodePages(test, origin, clock, pages);
  }

  /** Opens a page as one person. */
  async open(
    browser: Browser,
    user: string,
    input: PageInput,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<{ readonly page: Page; readonly context: BrowserContext }> {
    // All tests have one address, whose limits would end them.
    this.clock.advance(86_400);
    const path = `/page-${this.pages.size}`;
    this.pages.set(path, pageOf(input));
    const context = await browser.newContext({ viewport: { width: 360, height: 640 }, ...options });
    context.setDefaultTimeout(60_000);
    await context.addCookies([{ name: 'user', value: user, url: this.origin }]);
    const page = await context.newPage();
    // The countdowns follow the clock of the application, which stands still until a test advances it.
    const now = this.clock.now();
    await page.clock.install({ time: now - 3_600_000 });
    await page.clock.pauseAt(now);
    await page.goto(`${this.origin}${path}`);
    return { page, context };
  }

  /** Moves both clocks. */
  async pass(page: Page, seconds: number): Promise<void> {
    this.clock.advance(seconds);
    await page.clock.runFor(seconds * 1_000);
  }

  close(): Promise<void> {
    return this.test.close();
  }
}

interface WebRequest {
  readonly url: string;
}

interface WebResponse {
  setHeader(name: string, value: string): void;
  end(text: string): void;
}
