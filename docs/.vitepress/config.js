import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitepress';

import { repositoryOf } from '../../build/release.js';
import { COPIES } from '../generate/pages.js';

const DOCS = fileURLToPath(new URL('..', import.meta.url));

const GUIDES = {
  'The guides, in order': {
    'a-small-bank': 'A small bank: where they begin',
    'verify-a-phone-number': '1. Verify a phone number',
    'two-step-login': '2. Two-step login',
    'step-up-for-a-payment': '3. Step-up for a payment',
    'authenticator-app': '4. Authenticator apps (TOTP)',
    passkeys: '5. Passkeys',
    'queued-sms': '6. Queued text messages',
  },
  Do: {
    'use-a-proof': 'Use a proof',
    'when-the-answer-is-lost': 'When the answer is lost',
    'delete-an-account': 'Delete an account',
    'change-a-password': 'Change a password',
    'remembered-devices': 'Remembered devices',
    'factors-in-your-routes': 'Apps and passkeys in your routes',
    'two-factor-per-user': 'Switch it on and off per user',
    'front-end': 'Front end',
    'write-a-sender': 'Write a sender',
    'message-texts': 'Message texts',
    'send-after-the-commit': 'Send after the commit',
    'wake-workers-with-bullmq': 'Wake workers with BullMQ',
    'double-clicks-and-reloads': 'Double clicks and reloads',
    limits: 'Limits',
    'sms-costs': 'Keep SMS costs under control',
    events: 'Events',
    testing: 'Test your application',
    'testing-at-once': 'Test calls at once, queues and pages',
    'app-review': 'Let app reviewers sign in',
  },
  Providers: {
    'ready-made-senders': 'Ready-made senders',
    twilio: 'Twilio',
    'amazon-sns': 'Amazon SNS',
    telegram: 'Telegram',
    webhook: 'Webhook',
    email: 'E-mail',
    failover: 'Failover',
  },
  Fit: {
    'sign-in-that-you-have': 'Session, JWT, API key',
    'two-step-login-with-jwt': 'Two-step login with JWT',
    'authenticator-app-with-jwt': 'JWT and an authenticator app',
    'several-tenants': 'Several tenants',
    captcha: 'CAPTCHA',
    fastify: 'Fastify',
    graphql: 'GraphQL',
    microservices: 'Microservices',
    'several-data-sources': 'Several data sources',
    migrations: 'Migrations',
    deploy: 'Deploying',
    'scaling-out': 'Scaling out',
    'operate-it': 'Operate it',
  },
  'Move over': {
    'from-wc-django-2factor': 'From wc-django-2factor',
    'from-a-table-of-your-own': 'From a table of your own',
    'from-your-totp': 'TOTP secrets: speakeasy, better-auth',
  },
};

const guides = (group) => ({
  text: group,
  items: Object.entries(GUIDES[group]).map(([page, text]) => ({ text, link: `/guides/${page}` })),
});

const page = (text, link) => ({ text, link });

export default defineConfig({
  title: 'nestjs-two-factor',
  description:
    'A NestJS module that proves by a sent code, an authenticator app or a passkey who is acting, and lets an application use each proof exactly once.',
  lang: 'en',
  base: process.env.DOCS_BASE ?? '/',
  srcExclude: ['node_modules/**'],
  lastUpdated: false,
  // A dead link fails the build. These are addresses on the reader's machine.
  ignoreDeadLinks: [/^https?:\/\/localhost/],
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: { config: extendMarkdown },
  themeConfig: {
    search: { provider: 'local', options: { miniSearch: { searchOptions: { boostDocument } } } },
    outline: [2, 3],
    nav: [
      page('Start', '/start'),
      page('Guides', '/guides/a-small-bank'),
      page('Options', '/options'),
      page('API', '/reference/api/'),
      // More links than these are cut off on a screen of 768 pixels.
      page('Security', '/security'),
    ],
    sidebar: [
      {
        text: 'Begin',
        items: [page('In five minutes', '/start'), page('Concepts', '/concepts')],
      },
      ...Object.keys(GUIDES).map(guides),
      {
        text: 'Look up',
        items: [
          page('Options', '/options'),
          page('Errors', '/errors'),
          page('HTTP', '/reference/http'),
          page('Answers of mail servers', '/reference/mail-answers'),
          page('Versions', '/versions'),
          page('Upgrading', '/upgrading'),
          page('What may be set up wrong', '/misconfigurations'),
          page('Every option, from the source', '/reference/options'),
          {
            ...page('Every error, from the source', '/reference/errors'),
            items: slugItems(),
            collapsed: true,
          },
          { ...page('API', '/reference/api/'), items: apiItems(), collapsed: true },
        ],
      },
      {
        text: 'Decide',
        items: [
          page('How it works', '/how-it-works'),
          page('Security', '/security'),
          page('Threats', '/threats'),
          page('Invariants', '/invariants'),
          page('Planted faults', '/planted-faults'),
          page('Comparison', '/comparison'),
          page('Speed', '/speed'),
          page('Statements', '/statements'),
          page('The benchmark', '/project/benchmark'),
        ],
      },
      {
        text: 'Project',
        items: [
          page('Architecture', '/architecture'),
          page('Changelog', '/project/changelog'),
          page('Contributing', '/project/contributing'),
          page('Report a vulnerability', '/project/reporting'),
        ],
      },
    ],
  },
});

/** The pages of the slugs, which the build has written. */
function slugItems() {
  const folder = join(DOCS, 'reference/errors');
  if (!existsSync(folder)) return [];
  const slugs = readdirSync(folder).map((file) => file.replace(/\.md$/, ''));
  return slugs.toSorted().map((slug) => page(slug, `/reference/errors/${slug}`));
}

/** The entries of the reference that typedoc wrote, and what each of them exports, by kind. */
function apiItems() {
  const root = 'reference/api/nestjs-two-factor';
  if (!existsSync(join(DOCS, root))) return [];
  const entries = [
    '',
    'aws-sns',
    'backends/email',
    'bullmq',
    'client',
    'client/element',
    'client/texts',
    'event-emitter',
    'failover',
    'opentelemetry',
    'passkeys',
    'phone',
    'rate-limiter-flexible',
    'telegram',
    'terminus',
    'testing',
    'twilio',
    'webhook',
  ];
  return entries
    .filter((entry) => existsSync(join(DOCS, root, entry, 'index.md')))
    .map((entry) => ({
      text: posix.join('nestjs-two-factor', entry),
      link: `/${posix.join(root, entry)}/`,
      collapsed: true,
      items: exportsBelow(posix.join(root, entry)),
    }));
}

function exportsBelow(folder) {
  const kinds = ['classes', 'functions', 'variables', 'interfaces', 'type-aliases'];
  return kinds.flatMap((kind) => {
    if (!existsSync(join(DOCS, folder, kind))) return [];
    return readdirSync(join(DOCS, folder, kind))
      .toSorted()
      .map((file) =>
        page(file.replace(/\.md$/, ''), `/${folder}/${kind}/${file.replace(/\.md$/, '')}`),
      );
  });
}

/**
 * Who searches for "TOTP" wants the guide before the reference of the function `totp`, whose title is nearer to the word. The browser gets
 * the source of this function, so that it uses nothing from outside of it.
 */
function boostDocument(path) {
  if (path.startsWith('/reference/') || path.startsWith('/project/')) return 0.2;
  return path.startsWith('/guides/') ? 2 : 1;
}

function extendMarkdown(md) {
  mapLinks(md);
  nameColumns(md);
  breakCode(md);
}

/**
 * Code in a cell may end a line after a slash, and on a phone also after a dot, an underscore, or between the words of a name. `wbr`
 * of the class `narrow` are switched off on wider screens (`theme/style.css`), so that names stay whole there.
 */
function breakCode(md) {
  const write = md.renderer.rules.code_inline;
  let isInTable = false;
  md.renderer.rules.table_open = (tokens, index, options, _, self) => {
    isInTable = true;
    return self.renderToken(tokens, index, options);
  };
  md.renderer.rules.table_close = (tokens, index, options, _, self) => {
    isInTable = false;
    return self.renderToken(tokens, index, options);
  };
  md.renderer.rules.code_inline = (tokens, index, ...others) => {
    const html = write(tokens, index, ...others);
    if (!isInTable) return html;
    const [, start, code, end] = /^(<code[^>]*>)(.*)(<\/code>)$/s.exec(html) ?? [];
    if (code === undefined) throw new Error(`Not the HTML of code: ${html}`);
    const broken = code
      .replaceAll('/', '/<wbr>')
      .replaceAll(/(?<=[a-z0-9])(?=[A-Z])|(?<=[._:])(?=\w)/g, '<wbr class="narrow">');
    return start + broken + end;
  };
}

/** On a phone each cell stands below the other, and says its column (`theme/style.css`). */
function nameColumns(md) {
  md.core.ruler.push('columns-of-cells', ({ tokens }) => {
    let names = [];
    let column = 0;
    for (const [index, { type }] of tokens.entries()) {
      if (type === 'table_open') names = [];
      if (type === 'th_open') names.push(tokens[index + 1].content.replaceAll('`', ''));
      if (type === 'tr_open') column = 0;
      if (type !== 'td_open') continue;
      if (names[column]) tokens[index].attrSet('data-column', names[column]);
      column += 1;
    }
  });
}

/**
 * Pages are read on the site, in the repository and in the package: links out of `docs/` lead to their copies on the site, and links to
 * tests to the repository. Until package.json has its address, the words of these stand on the site without a link.
 */
function mapLinks(md) {
  md.core.ruler.push('links-out-of-docs', ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null;
      if (href === null || !href.startsWith('../')) continue;
      const here = posix.join('docs', posix.dirname(env.relativePath ?? ''));
      const [target, anchor] = posix.join(here, href).split('#');
      if (target.startsWith('docs/')) continue;
      if (target.startsWith('test/')) {
        linkToRepository(token, target, env.relativePath);
        continue;
      }
      const copy = COPIES[target];
      if (copy === undefined) throw new Error(`${env.relativePath}: the site has no ${target}.`);
      token.attrSet('href', `/${copy}${anchor === undefined ? '' : `#${anchor}`}`);
    }
  });
}

function linkToRepository(token, target, page) {
  if (!existsSync(join(DOCS, '..', target))) throw new Error(`${page}: there is no ${target}.`);
  const repository = addressOfRepository();
  if (repository !== undefined) token.attrSet('href', `${repository}/blob/HEAD/${target}`);
  // The end of the link is a token of its own with the same name, so that the name stays: an anchor without an address is text.
  else token.attrs = [['title', target]];
}

/** What `build/release.js` reads too, which refuses to publish without it. */
function addressOfRepository() {
  try {
    return repositoryOf(JSON.parse(readFileSync(join(DOCS, '../package.json'), 'utf8')));
  } catch {
    return undefined;
  }
}
