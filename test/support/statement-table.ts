// Counts the statements of every operation, for the table of docs/statements.md.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import type { ConfirmationState, MakeConfirmationInput } from '../../lib/index.js';
import { WRONG_CODE } from './canaries.js';
import type { EngineName } from './engines.js';
import { secretOf } from './secret.js';
import { SECRET, startApp, type TestApp } from './test-app.js';

/** Prepares its case, and returns the operation whose statements are counted. */
type Case = (test: Rotated, person: Person) => Promise<() => Promise<unknown>>;

/** A subject and its token, which no other case uses. */
interface Person extends MakeConfirmationInput {
  readonly token: string;
  readonly subject: string;
  readonly purpose: string;
}

const WINDOW_MESSAGES = 5;
const LOCK_AFTER = 10;
const MAX_ATTEMPTS = 5;

const refused = async (work: Promise<unknown>): Promise<void> => {
  const isRefused = await work.then(
    () => false,
    () => true,
  );
  if (!isRefused) throw new Error('The call was to be refused.');
};
const make =
  (times: number): Case =>
  async ({ confirmer }, person) => {
    for (let time = 0; time < times; time += 1) await confirmer.makeConfirmation(person);
    return () => confirmer.makeConfirmation(person);
  };
const guess = async (test: TestApp, { id }: ConfirmationState, times: number): Promise<void> => {
  for (let time = 0; time < times; time += 1) await test.confirmer.confirm(id, WRONG_CODE);
};
/** Locks the failures of a person, and returns a confirmation that is still pending. */
const lock = async (test: TestApp, person: Person): Promise<ConfirmationState> => {
  const { state } = await test.twoFactor.request(person);
  for (let left = LOCK_AFTER; left > 0; left -= MAX_ATTEMPTS) {
    const made = await test.twoFactor.request(person);
    await guess(test, made.state, Math.min(left, MAX_ATTEMPTS));
  }
  return state;
};
const confirm =
  (
    prepare: (test: TestApp, person: Person) => Promise<readonly [id: string, code: string]>,
  ): Case =>
  async (test, person) => {
    const [id, code] = await prepare(test, person);
    return () => test.confirmer.confirm(id, code);
  };
const afterAnAddedSecret =
  (codeOf: (state: ConfirmationState) => string): Case =>
  async (test, person) => {
    const { state } = await test.twoFactor.request(person);
    const code = codeOf(state);
    return () => test.rotated.confirmer.confirm(state.id, code);
  };

type Rotated = TestApp & { readonly rotated: TestApp };

const CASES: Readonly<Record<string, Case>> = {
  'request: each of the first five': async ({ twoFactor }, person) => {
    await twoFactor.request(person);
    return () => twoFactor.request(person);
  },
  'request: refused, messages used up': async ({ twoFactor }, person) => {
    for (let sent = 0; sent < WINDOW_MESSAGES; sent += 1) await twoFactor.request(person);
    return () => refused(twoFactor.request(person));
  },
  'request: refused, locked': async (test, person) => {
    await lock(test, person);
    return () => refused(test.twoFactor.request(person));
  },
  'request with an idempotency key: first': async ({ twoFactor }, person) => {
    const idempotencyKey = randomUUID();
    return () => twoFactor.request({ ...person, idempotencyKey });
  },
  'request with an idempotency key: repeated': async ({ twoFactor }, person) => {
    const keyed = { ...person, idempotencyKey: randomUUID() };
    await twoFactor.request(keyed);
    return () => twoFactor.request(keyed);
  },
  'make without a message: 1st pending': make(0),
  'make without a message: 2nd pending': make(1),
  'make without a message: 3rd pending': make(2),
  'make without a message: refused, 3 pending': async (test, person) => {
    const another = await make(3)(test, person);
    return () => refused(another());
  },
  'make in a transaction of the application': async ({ confirmer, dataSource }, person) => {
    return () =>
      dataSource.transaction((manager) => confirmer.makeConfirmation({ ...person, manager }));
  },
  'make, confirmed from the start': async ({ confirmer }, { subject, purpose }) => {
    return () => confirmer.makeConfirmation({ subject, purpose, isConfirmed: true });
  },
  'confirm: wrong code': confirm(async (test, person) => {
    const { state } = await test.twoFactor.request(person);
    return [state.id, WRONG_CODE];
  }),
  'confirm: right code': confirm(async (test, person) => {
    const { state } = await test.twoFactor.request(person);
    return [state.id, state.code!];
  }),
  'confirm: last wrong code': confirm(async (test, person) => {
    const state = await test.confirmer.makeConfirmation(person);
    await guess(test, state, MAX_ATTEMPTS - 1);
    return [state.id, WRONG_CODE];
  }),
  'confirm: ended': confirm(async (test, person) => {
    const { state } = await test.twoFactor.request(person);
    const code = state.code!;
    await test.confirmer.cancel(state.id);
    return [state.id, code];
  }),
  'confirm: expired': confirm(async (test, person) => {
    const state = await test.confirmer.makeConfirmation({ ...person, ttlSeconds: 30 });
    const code = state.code!;
    test.clock.advance(30);
    return [state.id, code];
  }),
  'confirm: exhausted': confirm(async (test, person) => {
    const { state } = await test.twoFactor.request(person);
    await guess(test, state, MAX_ATTEMPTS);
    return [state.id, state.code!];
  }),
  'confirm: unknown id': confirm(async (test, person) => {
    const { state } = await test.twoFactor.request(person);
    return [`${state.id.slice(0, 20)}${'0'.repeat(16)}`, WRONG_CODE];
  }),
  'confirm: locked': async (test, person) => {
    const { id } = await lock(test, person);
    return () => refused(test.confirmer.confirm(id, WRONG_CODE));
  },
  'confirm after a secret was added: wrong code': afterAnAddedSecret(() => WRONG_CODE),
  'confirm after a secret was added: right code': afterAnAddedSecret(({ code }) => code!),
  use: async ({ confirmer }, { subject, purpose }) => {
    const { id } = await confirmer.makeConfirmation({ subject, purpose, isConfirmed: true });
    return () => confirmer.use(id, { subject, purpose });
  },
  'use: refused': async ({ confirmer }, person) => {
    const { id } = await confirmer.makeConfirmation(person);
    return () => confirmer.use(id, { subject: person.subject, purpose: person.purpose });
  },
  'send: first message': async ({ confirmer, sender }, person) => {
    const state = await confirmer.makeConfirmation(person);
    return () => sender.send(null, person.token, state);
  },
  resend: async ({ twoFactor, clock }, person) => {
    const { id } = await twoFactor.request(person);
    clock.advance(30);
    return () => twoFactor.resend(id);
  },
  'resend: refused in the cooldown': async ({ twoFactor }, person) => {
    const { id } = await twoFactor.request(person);
    return () => refused(twoFactor.resend(id));
  },
  cancel: async ({ confirmer, twoFactor }, person) => {
    const { id } = await twoFactor.request(person);
    return () => confirmer.cancel(id);
  },
  'cancel: made without a message': async ({ confirmer }, person) => {
    const { id } = await confirmer.makeConfirmation(person);
    return () => confirmer.cancel(id);
  },
};

/** The number of statements of every case, with the limits at their defaults. */
export async function countStatements(engine: EngineName): Promise<Record<string, number>> {
  const first = await startApp({ engine, options: { limits: {}, env: false } });
  const { database, clock } = first;
  const secrets = [secretOf('the added one'), SECRET];
  const rotated = await startApp({
    engine,
    database,
    options: { limits: {}, env: false, secret: undefined, secrets, clock },
  });
  const counts: Record<string, number> = {};
  for (const [index, [name, prepare]] of Object.entries(CASES).entries()) {
    const isRotated = name.includes('secret was added');
    // A database of sql.js belongs to one application.
    if (isRotated && engine === 'sqljs') continue;
    const subject = `subject-${index}`;
    const person = { token: `person-${index}@example.com`, subject, purpose: 'login' };
    const operation = await prepare({ ...first, rotated }, person);
    counts[name] = (await (isRotated ? rotated : first).log.during(operation)).length;
  }
  await rotated.app.close();
  await first.close();
  return counts;
}

/** The columns of the table by engine; MySQL and MariaDB share one, and so do both drivers of SQLite. */
const COLUMNS: Readonly<Record<EngineName, number>> = {
  postgres: 0,
  mariadb: 1,
  mysql: 1,
  'better-sqlite3': 2,
  sqljs: 2,
};

/** The numbers that docs/statements.md gives for an engine. */
export async function documentedStatements(engine: EngineName): Promise<Record<string, number>> {
  const page = await readFile(new URL('../../docs/statements.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| ([^|]+?) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\|$/gm)];
  return Object.fromEntries(
    rows.flatMap(([, name = '', ...numbers]) =>
      engine === 'sqljs' && name.includes('secret was added')
        ? []
        : [[name, Number(numbers[COLUMNS[engine]])]],
    ),
  );
}
