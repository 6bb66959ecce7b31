import { existsSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitepress';

import { COPIES } from '../generate/pages.js';

const DOCS = fileURLToPath(new URL('..', import.meta.url));

const GUIDES = {
  Do: {
    'a-small-bank': 'A small bank, file by file',
    'use-a-proof': 'Use a proof',
    'verify-a-phone-number': 'Verify a phone number',
    'two-step-login': 'Two-step login with Passport and JWT',
    'step-up-for-a-payment': 'Step-up for a payment',
    'write-a-sender': 'Write a sender',
    limits: 'Limits',
    events: 'Events',
    testing: 'Test your application',
  },
  Fit: {
    fastify: 'Fastify',
    graphql: 'GraphQL',
    microservices: 'Microservices',
    'several-data-sources': 'Several data sources',
    migrations: 'Migrations',
    'scaling-out': 'Scaling out',
  },
  'Move over': {
    'from-wc-django-2factor': 'From wc-django-2factor',
    'from-a-table-of-your-own': 'From a table of your own',
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
    'A NestJS module that proves phone numbers and mailboxes with one-time codes, and lets an application use each proof exactly once.',
  lang: 'en',
  base: process.env.DOCS_BASE ?? '/',
  srcExclude: ['node_modules/**'],
  lastUpdated: false,
  // A dead link fails the build. These are addresses on the reader's machine.
  ignoreDeadLinks: [/^https?:\/\/localhost/],
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: { config: mapLinks },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      page('Start', '/start'),
      page('Guides', '/guides/verify-a-phone-number'),
      page('Options', '/options'),
      page('API', '/reference/api/'),
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
          page('Versions', '/versions'),
          page('What may be set up wrong', '/misconfigurations'),
          page('Every option, from the source', '/reference/options'),
          page('Every error, from the source', '/reference/errors'),
          { ...page('API', '/reference/api/'), items: apiItems(), collapsed: true },
        ],
      },
      {
        text: 'Decide',
        items: [
          page('Security', '/security'),
          page('Threats', '/threats'),
          page('Invariants', '/invariants'),
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

/** The entries of the reference that typedoc wrote, and what each of them exports, by kind. */
function apiItems() {
  const root = 'reference/api/nestjs-two-factor';
  if (!existsSync(join(DOCS, root))) return [];
  const entries = [
    '',
    'backends/email',
    'event-emitter',
    'phone',
    'rate-limiter-flexible',
    'testing',
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

/** Pages are read on the site, in the repository and in the package: links out of `docs/` lead to their copies on the site. */
function mapLinks(md) {
  md.core.ruler.push('links-out-of-docs', ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null;
      if (href === null || !href.startsWith('../')) continue;
      const here = posix.join('docs', posix.dirname(env.relativePath ?? ''));
      const [target, anchor] = posix.join(here, href).split('#');
      if (target.startsWith('docs/')) continue;
      const copy = COPIES[target];
      if (copy === undefined) throw new Error(`${env.relativePath}: the site has no ${target}.`);
      token.attrSet('href', `/${copy}${anchor === undefined ? '' : `#${anchor}`}`);
    }
  });
}
