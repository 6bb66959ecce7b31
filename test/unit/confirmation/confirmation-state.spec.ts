import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { format, inspect } from 'node:util';

import { ConsoleLogger } from '@nestjs/common';
import { describe, expect, it, vi } from 'vitest';

import {
  ConfirmationState,
  refreshState,
  stateRow,
  type ConfirmationRow,
} from '../../../lib/confirmation/index.js';
import type { StateAccess } from '../../../lib/confirmation/model/confirmation-state.js';
import { KeyRing, openEnvelope, sealEnvelope } from '../../../lib/crypto/index.js';
import { TwoFactorUnknownSecretError } from '../../../lib/errors/index.js';
import { ID, NOW, rowWith } from './rows.js';

const ring = KeyRing.fromSecrets([Buffer.from('the secret of the state, 32 bytes and more')]);
const CODE = 'QWRTPSDFGHJKLZXCVBNM';
const TOKEN = 'ann.canary@example.com';
const META = { note: 'meta-canary' };
const DETAILS = { payee: 'details-canary' };
const SUBJECT = 'subject-canary';
const binding = { id: ID, purpose: 'transfer', subject: SUBJECT };

function sealedRow(values: Partial<ConfirmationRow> = {}): ConfirmationRow {
  return rowWith({
    ...binding,
    way: 'email',
    meta: META,
    details: DETAILS,
    detailsMac: 'v1.AAAAAAAA.details-mac-canary',
    codeMac: 'v1.AAAAAAAA.code-mac-canary',
    envelope: sealEnvelope(ring, { code: CODE, token: TOKEN, way: 'email' }, binding),
    ...values,
  });
}

function accessAt(time: { now: number }, answer: ConfirmationRow | null = null): StateAccess {
  return {
    now: () => time.now,
    open: (row) => openEnvelope(ring, row.envelope ?? '', row),
    normalize: (token) => token.toLowerCase(),
    confirmByHand: async () => answer,
  };
}

function stateOf(row = sealedRow(), time = { now: NOW }): ConfirmationState {
  return new ConfirmationState(row, accessAt(time));
}

const PUBLIC = {
  id: ID,
  purpose: 'transfer',
  way: 'email',
  status: 'pending',
  isConfirmed: false,
  attemptsLeft: 5,
};
const SECRETS = ['QWRTPS', 'ann.canary', 'canary', 'v1.', '***'];

/** Everything that a console of Node prints by a method. */
function printed(method: 'log' | 'dir' | 'table' | 'error', value: unknown): string {
  let text = '';
  const stream = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  new Console({ stdout: stream, stderr: stream })[method](value);
  return text;
}

describe('a state', () => {
  it('shows the row, and opens code and token when asked', () => {
    const state = stateOf(sealedRow({ attempts: 2 }));
    expect(state).toMatchObject({
      ...binding,
      way: 'email',
      meta: META,
      details: DETAILS,
      status: 'pending',
      isConfirmed: false,
      isUsed: false,
      attemptsLeft: 3,
      createdAt: new Date(NOW - 60_000),
      expiresAt: new Date(NOW + 540_000),
      confirmedAt: null,
      useBefore: null,
      usedAt: null,
      code: CODE,
      token: TOKEN,
    });
  });

  it('shows when it was confirmed and used', () => {
    const state = stateOf(sealedRow({ confirmedAt: NOW - 2, useBefore: NOW + 5, usedAt: NOW - 1 }));
    expect(state).toMatchObject({
      status: 'used',
      isConfirmed: true,
      isUsed: true,
      confirmedAt: new Date(NOW - 2),
      useBefore: new Date(NOW + 5),
      usedAt: new Date(NOW - 1),
    });
  });

  it('never shows fewer than no attempts', () => {
    expect(stateOf(sealedRow({ attempts: 7 })).attemptsLeft).toBe(0);
  });

  it('has neither code nor token without an envelope', () => {
    const state = stateOf(sealedRow({ envelope: null }));
    expect(state.code).toBeNull();
    expect(state.token).toBeNull();
  });

  it('has a code but no token before it is bound', () => {
    const state = stateOf(sealedRow({ envelope: sealEnvelope(ring, { code: CODE }, binding) }));
    expect(state.code).toBe(CODE);
    expect(state.token).toBeNull();
  });

  it.each([
    ['another id', { id: ID.replace('g', '0') }],
    ['another purpose', { purpose: 'login' }],
    ['another subject', { subject: 'eve' }],
    ['another envelope', { envelope: 'v1.AAAAAAAA.x.y.z' }],
  ])('refuses to open under %s', (_, values) => {
    const state = stateOf(sealedRow(values));
    expect(() => state.code).toThrow(TwoFactorUnknownSecretError);
    expect(() => state.token).toThrow(TwoFactorUnknownSecretError);
  });

  it('is read-only', () => {
    const state = stateOf();
    expect(Reflect.set(state, 'status', 'confirmed')).toBe(false);
    expect(Reflect.set(state, 'purpose', 'login')).toBe(false);
    expect(Reflect.set(state, 'isConfirmed', true)).toBe(false);
    expect(state.toJSON()).toMatchObject(PUBLIC);
  });

  it('gives out dates that can be changed without changing it', () => {
    const state = stateOf();
    state.expiresAt.setTime(0);
    expect(state.expiresAt).toEqual(new Date(NOW + 540_000));
  });

  it('shows the status of the moment it was read, until it is refreshed', () => {
    const time = { now: NOW };
    const state = stateOf(sealedRow(), time);
    time.now = NOW + 3_600_000;
    expect(state.status).toBe('pending');
    refreshState(state, stateRow(state));
    expect(state.status).toBe('expired');
  });

  it('is confirmed by hand through its id alone, and then shows it', async () => {
    const row = sealedRow({ confirmedAt: NOW, useBefore: NOW + 300_000 });
    const access = accessAt({ now: NOW }, row);
    const byHand = vi.spyOn(access, 'confirmByHand');
    const state = new ConfirmationState(sealedRow(), access);
    expect(await state.confirm()).toBe(true);
    expect(byHand).toHaveBeenCalledExactlyOnceWith(ID);
    expect(state.isConfirmed).toBe(true);
    expect(state.status).toBe('confirmed');
  });

  it('returns false when it cannot be confirmed by hand, and leaves it unchanged', async () => {
    const state = stateOf();
    expect(await state.confirm()).toBe(false);
    expect(state.status).toBe('pending');
  });
});

describe('what a state shows of itself', () => {
  const state = stateOf();
  const outputs: readonly (readonly [string, string])[] = [
    ['JSON.stringify', JSON.stringify(state)],
    ['JSON.stringify of a list', JSON.stringify({ states: [state] })],
    ['inspect', inspect(state)],
    ['inspect with everything shown', inspect(state, { depth: 99, showHidden: true })],
    [
      'inspect without its own method',
      inspect(state, { depth: 99, showHidden: true, customInspect: false, getters: false }),
    ],
    ['inspect of an error that holds it', inspect(new Error('x', { cause: state }))],
    ['format %o', format('%o', state)],
    ['format %O', format('%O', { state })],
    ['format %j', format('%j', state)],
    ['format %s', format('%s', state)],
    ['a template', `It is ${state as unknown as string}.`],
    ['console.log', printed('log', state)],
    ['console.log of a wrapper', printed('log', { state })],
    ['console.dir', printed('dir', state)],
    ['console.table', printed('table', [state])],
    ['console.error', printed('error', new Error('x', { cause: state }))],
    ['a copy', JSON.stringify(Object.assign({}, state))],
    ['its members', JSON.stringify([Object.entries(state), Reflect.ownKeys(state).map(String)])],
    ['a structured clone', inspect(structuredClone(state), { depth: 99, showHidden: true })],
  ];

  it.each(outputs)('by %s holds no code, token, subject, meta, details or MAC', (_, output) => {
    for (const secret of SECRETS) expect(output).not.toContain(secret);
    expect(output.length).toBeGreaterThan(1);
  });

  it('is exactly what a log needs', () => {
    expect(JSON.parse(JSON.stringify(state))).toEqual({
      ...PUBLIC,
      expiresAt: new Date(NOW + 540_000).toISOString(),
    });
    expect(inspect(state)).toContain(`id: '${ID}'`);
    expect(inspect(state)).toMatch(/^ConfirmationState \{/);
  });

  it.each([true, false])('is no more through the logger of Nest (json: %j)', (json) => {
    const lines: string[] = [];
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      lines.push(String(chunk));
      return true;
    });
    try {
      new ConsoleLogger('Test', { json, colors: false }).log({ state }, state);
    } finally {
      write.mockRestore();
    }
    const output = lines.join('');
    expect(output).toContain(ID);
    for (const secret of SECRETS) expect(output).not.toContain(secret);
  });
});

describe('ConfirmationState.is', () => {
  it('returns true for a state, and for an instance of a subclass', () => {
    class Special extends ConfirmationState {}
    expect(ConfirmationState.is(stateOf())).toBe(true);
    expect(ConfirmationState.is(new Special(sealedRow(), accessAt({ now: NOW })))).toBe(true);
  });

  it.each<[string, unknown]>([
    ['its JSON', JSON.parse(JSON.stringify(stateOf()))],
    ['a copy of it', Object.assign({}, stateOf(), { id: ID })],
    ['an object of its prototype', Object.create(ConfirmationState.prototype)],
    ['an heir of a real one', Object.create(stateOf())],
    ['a proxy of a real one', new Proxy(stateOf(), {})],
    ['its row', sealedRow()],
    ['its class', ConfirmationState],
    ['an id', ID],
    ['null', null],
    ['undefined', undefined],
    ['a list of one', [stateOf()]],
  ])('returns false for %s', (_, value) => {
    expect(ConfirmationState.is(value)).toBe(false);
  });
});
