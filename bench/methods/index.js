// Verifications a second by authenticator apps and passkeys, beside the same written by hand. `npm run build` first.
//   node bench/methods/index.js [rounds] [people] [--record]
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

import { Pool } from 'pg';

import { median, shuffled } from '../measure/statistics.js';
import { number, spread, table } from '../report/table.js';
import { createDatabase, POOL, startApplication } from '../setup/postgres-application.js';
import { floorOn } from './floor.js';

// The software authenticator of the testing kit is for tests alone.
process.env.NODE_ENV = 'test';
const { ConfirmerService, FactorService, totp } = await import('../../dist/index.js');
const { passkeys } = await import('../../dist/methods/passkey/index.js');
const { SoftwareAuthenticator, totpCode } = await import('../../dist/testing/index.js');

const ORIGIN = 'https://acme.example';
const NAME = 'two_factor_bench_methods';
const CALLERS = [1, 16];
const [rounds = 5, people = 400] = process.argv
  .slice(2)
  .filter((each) => /^\d+$/.test(each))
  .map(Number);

/** It stands still while a batch is measured: each step of an app confirms once. */
const clock = {
  time: Date.now(),
  now() {
    return this.time;
  },
};

/** The public key of an ES256 credential, out of the CBOR that the authenticator made. */
function jwkOf({ response }) {
  const data = Buffer.from(response.attestationObject, 'base64url');
  const at = data.indexOf(Buffer.from('a5010203262001215820', 'hex'));
  const [x, y] = [data.subarray(at + 10, at + 42), data.subarray(at + 45, at + 77)];
  return { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') };
}

async function enrolAll(factors, floor) {
  const holders = [];
  for (let index = 0; index < people; index += 1) {
    const subject = `user-${index}`;
    const begun = await factors.enrol({ subject, method: 'totp' });
    const response = totpCode(begun.secret, clock);
    const input = { subject, factor: begun.factor.id, response };
    if ((await factors.activate(input)) === null) throw new Error('The app was not activated.');
    const bytes = bytesOf(begun.secret);
    await floor.enrol(subject, 'totp', bytes, clock.now());
    const { factor, options } = await factors.enrol({ subject, method: 'passkey' });
    const [ours, theirs] = [0, 1].map(() => new SoftwareAuthenticator({ origin: ORIGIN }));
    const made = ours.create(options);
    await factors.activate({ subject, factor: factor.id, response: made });
    const copy = theirs.create(options);
    const data = { key: jwkOf(copy), isBackupEligible: false };
    await floor.enrol(subject, 'passkey', data, clock.now());
    holders.push({ subject, secret: begun.secret, ours, theirs, credential: copy.id });
  }
  return holders;
}

function bytesOf(base32) {
  const bits = [...base32]
    .map((letter) =>
      'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
    )
    .join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}

/** Confirms once for each person, by so many callers; what is confirmed is prepared before. */
async function measure(calls, callers) {
  const queue = [...calls];
  const work = async () => {
    for (let call = queue.pop(); call; call = queue.pop()) {
      if (!(await call())) throw new Error('A right response was refused.');
    }
  };
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: callers }, work));
  const { user, system } = process.cpuUsage(cpu);
  const rate = (calls.length * 1_000) / (performance.now() - start);
  return { rate, cpuMs: (user + system) / 1_000 / calls.length };
}

const { url, version } = await createDatabase(NAME);
const app = await startApplication(url, {
  clock,
  methods: [
    totp({ issuer: 'ACME' }),
    passkeys({ rpName: 'ACME', rpId: 'acme.example', origins: [ORIGIN] }),
  ],
});
const pool = new Pool({ connectionString: url, max: POOL });
const floor = floorOn(pool);
await floor.createTables();
const confirmer = app.get(ConfirmerService);
const holders = await enrolAll(app.get(FactorService), floor);
clock.time += 1;

const makeAll = (method) =>
  Promise.all(
    holders.map(({ subject }) => confirmer.makeConfirmation({ subject, methods: [method] })),
  );

const CONTENDERS = {
  'app, by hand': async () => {
    clock.time += 30_000;
    const made = await makeAll('totp');
    return holders.map(({ secret }, at) => {
      const code = totpCode(secret, clock);
      return () => floor.confirmByApp(made[at].id, code, clock.now());
    });
  },
  'app, ours': async () => {
    clock.time += 30_000;
    const made = await makeAll('totp');
    return holders.map(({ secret }, at) => {
      const code = totpCode(secret, clock);
      return async () => (await confirmer.confirm(made[at].id, { method: 'totp', code }))[1];
    });
  },
  'passkey, by hand': async () => {
    const made = await makeAll('passkey');
    const calls = [];
    for (const [at, { theirs, credential }] of holders.entries()) {
      const { id } = made[at];
      const options = {
        challenge: await floor.challenge(id),
        rpId: 'acme.example',
        allowCredentials: [{ type: 'public-key', id: credential }],
      };
      const response = theirs.get(options);
      calls.push(() => floor.confirmByPasskey(id, response, clock.now()));
    }
    return calls;
  },
  'passkey, ours': async () => {
    const made = await makeAll('passkey');
    const calls = [];
    for (const [at, { ours }] of holders.entries()) {
      const { id } = made[at];
      const response = ours.get(await confirmer.challenge(id, { method: 'passkey' }));
      calls.push(async () => (await confirmer.confirm(id, { method: 'passkey', response }))[1]);
    }
    return calls;
  },
};

const before = loadavg();
const rates = new Map();
for (let round = 0; round <= rounds; round += 1) {
  for (const callers of CALLERS) {
    for (const name of shuffled(Object.keys(CONTENDERS))) {
      const measured = await measure(await CONTENDERS[name](), callers);
      const key = `${name} ${callers}`;
      // The first round warms up.
      if (round > 0) rates.set(key, [...(rates.get(key) ?? []), measured]);
    }
  }
}
const after = loadavg();
await app.close();
await pool.end();

const of = (name, callers) => rates.get(`${name} ${callers}`);
const rows = ['app', 'passkey'].flatMap((method) =>
  CALLERS.map((callers) => {
    const [theirs, ours] = [of(`${method}, by hand`, callers), of(`${method}, ours`, callers)];
    const middle = (all, key) => number(median(all.map((each) => each[key])));
    const ratios = (key) => spread(ours.map((each, at) => each[key] / theirs[at][key]));
    return [
      method,
      callers,
      middle(theirs, 'rate'),
      middle(ours, 'rate'),
      ratios('rate'),
      middle(theirs, 'cpuMs'),
      middle(ours, 'cpuMs'),
      ratios('cpuMs'),
    ];
  }),
);
const HEAD = [
  'method',
  'callers',
  'by hand, a second',
  'ours, a second',
  'ratio',
  'CPU ms of Node, by hand',
  'ours',
  'ratio',
];
const load = (values) => values.map((value) => value.toFixed(1)).join(', ');
const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();
const text = `# Verifications a second

What \`node bench/methods/index.js ${rounds} ${people} --record\` found. A verification is one \`confirm\` with a right response. The hand-written one is
\`pg\` with named prepared statements and the same guarantees: a response that can be guessed is charged before it is compared, to the
confirmation and to the subject's app; the confirmation and the factor change together or not at all; each step and each counter is
accepted once; the secret of an app is sealed by AES-256-GCM, and a passkey's challenge is a keyed hash of the confirmation. It charges no quota under a
second secret, knows no purposes, tells no events, and has one kind of key. Both run in one process, with pools of ${POOL} connections, in ${rounds} rounds of
${people} verifications each, in an order that is drawn in each round, after one round that warms up.

${table(HEAD, rows)}

${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}, PostgreSQL ${version}, commit ${git('rev-parse', '--short', 'HEAD')},
${new Date().toISOString().slice(0, 10)}. Load of the machine over 1, 5 and 15 minutes: ${load(before)} before, ${load(after)} after.
Other work shares the machine where that is above its number of cores: the rates of two contenders then meet different minutes, and only the CPU time of
Node, which is counted for this process alone, says what one costs beside the other. A ratio is the median of the rounds, from the least to the greatest.
PostgreSQL executes six statements for an app and three for a passkey (\`docs/statements.md\`), by hand five and two, because one
statement reads the confirmation together with its factor.
`;
process.stdout.write(text);
if (process.argv.includes('--record')) {
  writeFileSync(new URL('RESULTS.md', import.meta.url), text);
}
