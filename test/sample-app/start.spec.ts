import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { codes, Customer, TEN_FIFTY } from '../support/customer.js';
import { SampleCopy } from '../support/sample-app.js';

/** Refuses the packages of BullMQ, as where they are not installed. */
const WITHOUT_BULLMQ = `
import { register } from 'node:module';
const hooks = \`export const resolve = (name, context, next) => {
  if (/^(?:@nestjs.bullmq|bullmq|ioredis|nestjs-two-factor.bullmq)$/.test(name)) throw new Error(name + ' is missing.');
  return next(name, context);
};\`;
register('data:text/javascript,' + encodeURIComponent(hooks));
`;

/*
 * The sample application as a newcomer starts it: `npm start`. It is built in a copy of the repository, so that the `dist`
 * of the repository stays as it is.
 */
let copy: SampleCopy;

beforeAll(async () => {
  copy = await SampleCopy.make();
});

afterAll(() => copy.remove());

describe('npm start', () => {
  it('builds the package and the application, and answers', async () => {
    const sample = await copy.start('npm', { DATA_FOLDER: await copy.dataFolder() });

    const page = await fetch(sample.url);

    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    expect(await page.text()).toContain('src="/app.js"');
    // The element that asks for the code comes from the package.
    const element = await fetch(`${sample.url}/vendor/two-factor/element/index.js`);
    expect(await element.text()).toContain('one-time-code');
    await sample.stop();
    // Two builds, on a machine that is busy with other tests.
  }, 600_000);

  it('needs no native addon: sql.js is all of the database', async () => {
    const sample = await copy.start('node', {
      DATA_FOLDER: await copy.dataFolder(),
      NODE_OPTIONS: '--no-addons',
    });
    const ann = await new Customer(sample.url, 'ann@bank.example').signUp();
    await ann.signIn();
    expect(await ann.balance()).toBe('1000.00');
    await sample.stop();
  });

  it('imports nothing of BullMQ unless there is a REDIS_URL', async () => {
    const environment = {
      DATA_FOLDER: await copy.dataFolder(),
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(WITHOUT_BULLMQ)}`,
    };
    const sample = await copy.start('node', environment);
    await new Customer(sample.url, 'ann@bank.example').signUp();
    await sample.stop();

    const child = copy.launch('node', { ...environment, REDIS_URL: 'redis://127.0.0.1:9' });
    let errors = '';
    child.stderr.on('data', (text: string) => {
      errors += text;
    });
    await once(child, 'close');
    expect(errors).toContain('@nestjs/bullmq is missing.');
  });

  it('refuses to start without a secret in production', async () => {
    const child = copy.launch('node', {
      NODE_ENV: 'production',
      SMTP_URL: 'smtp://127.0.0.1:9',
      PUBLIC_ORIGIN: 'https://bank.example',
      TRUST_PROXY: 'none',
      DATA_FOLDER: await copy.dataFolder(),
    });
    let errors = '';
    child.stderr.on('data', (text: string) => {
      errors += text;
    });

    const [exitCode] = (await once(child, 'close')) as [number];

    expect(exitCode).toBe(1);
    expect(errors).toContain('There is no secret: set the option secret (or TWO_FACTOR_SECRET)');
  });
});

describe('The file of sql.js', () => {
  it('has every answered transfer after kill -9', async () => {
    // A secret of its own: a drawn one would end with the process, and all confirmations with it.
    const secret = randomBytes(32).toString('base64url');
    const environment = { DATA_FOLDER: await copy.dataFolder(), TWO_FACTOR_SECRET: secret };
    let sample = await copy.start('node', environment);
    const first = await new Customer(sample.url, 'ann@bank.example').signUp();
    await first.signIn();

    for (let transfers = 1; transfers <= 2; transfers += 1) {
      const ann = await new Customer(sample.url, 'ann@bank.example').signIn();
      const id = await ann.proveTransfer(TEN_FIFTY);
      const { status } = await ann.transfer(TEN_FIFTY, id);
      await sample.kill();
      expect(status).toBe(204);

      sample = await copy.start('node', environment);
      const back = await new Customer(sample.url, 'ann@bank.example').signIn();
      expect(await back.balance()).toBe((1_000 - transfers * 10.5).toFixed(2));
      expect(await back.transfers()).toHaveLength(transfers);
      expect(await back.transfer(TEN_FIFTY, id)).toMatchObject({ status: 409 });
    }
    await sample.stop();
  }, 120_000);
});

describe('What the processes printed', () => {
  it('has no code in it', () => {
    const found = [...codes].filter((code) => new RegExp(`\\b${code}\\b`).test(copy.printed));

    expect(codes.size).toBeGreaterThan(5);
    expect(copy.printed).toContain('Nest application successfully started');
    expect(found).toEqual([]);
  });
});
