import { describe, expect, it } from 'vitest';

import { resolveOptions, purposeAccess } from '../../../lib/options/index.js';
import { secret, PRODUCTION, refusal, shown } from './settings-fixtures.js';

const subject = (): string => 'user-1';
const recipient = (): string => 'ann@example.com';
const details = (): string => 'a plan';

describe('purposes', () => {
  it('are open without resolvers, and bound with both', () => {
    const purposes = {
      '': { open: true },
      'sign-up': { open: true, senders: ['email'], details },
      login: {},
      transfer: { subject, recipient, ttlSeconds: 30 },
      'change-phone': { subject, recipient: 'client', senders: ['sms', 'voice'] },
    } as const;
    const resolved = resolveOptions({ secret, purposes }, PRODUCTION);
    expect(Object.fromEntries(resolved.purposes)).toEqual(purposes);
    expect(purposeAccess(resolved)).toEqual({
      anyone: ['', 'sign-up', 'login'],
      subjectOnly: ['transfer', 'change-phone'],
    });
  });

  it('have the unnamed purpose only when it is declared, or when no purpose is', () => {
    const touchable = (purposes: unknown): unknown =>
      purposeAccess(resolveOptions({ secret, purposes }, PRODUCTION));
    expect(touchable(undefined)).toEqual({ anyone: [''], subjectOnly: [] });
    expect(touchable({})).toEqual({ anyone: [''], subjectOnly: [] });
    expect(touchable({ login: { open: true } })).toEqual({ anyone: ['login'], subjectOnly: [] });
    expect(touchable({ login: { subject, recipient } })).toEqual({
      anyone: [],
      subjectOnly: ['login'],
    });
  });

  it.each([
    ['subject', 'recipient', { subject }],
    ['recipient', 'subject', { recipient }],
    ['recipient', 'subject', { recipient: 'client' }],
    ['subject', 'recipient', { subject, recipient: undefined }],
  ])('with a %s but no %s are refused with both remedies', (has, lacks, transfer) => {
    expect(refusal({ purposes: { transfer } })).toBe(
      `Purpose transfer has a ${has} but no ${lacks}: a client could have the code for another user sent to itself. Give ` +
        "both (recipient: 'client' where the client names the token; no recipient where methods leave 'code' out), or open: true " +
        'alone for a purpose that proves the token and nothing else.',
    );
  });

  it.each([
    ['subject', { subject }],
    ['recipient', { recipient }],
    ['recipient', { recipient: 'client' }],
    ['subject', { subject, recipient }],
  ])('that are open and have a %s are refused', (has, parties) => {
    expect(refusal({ purposes: { login: { open: true, ...parties } } })).toBe(
      `Purpose login is open and has a ${has}. Leave open out and give subject and recipient, or leave both out.`,
    );
    expect(refusal({ purposes: { '': parties } })).toMatch(/^Purpose '' has a .+ is open\./);
  });

  it.each<[unknown, string]>([
    [null, 'Option purposes is null. Give an object.'],
    [['login'], 'Option purposes is an array. Give an object.'],
    [{ login: true }, 'Purpose login is true. Give an object.'],
    [
      { Login: {} },
      'The purpose name "Login" is not 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
    ],
    [
      { 'login ': {} },
      'The purpose name "login " is not 1 to 64 of a-z, 0-9 and "-", not beginning with "-".',
    ],
    [
      { login: { subject: 'user-1', recipient } },
      'Option purposes.login.subject is "user-1". Give a function.',
    ],
    [
      { login: { subject, recipient: null } },
      "Option purposes.login.recipient is null. Give a function, or 'client' where the client names the token.",
    ],
    ...[false, 'yes', null].map((open): [unknown, string] => [
      { login: { open } },
      `Option purposes.login.open is ${shown(open)}. Give true, or leave it out and give subject and recipient.`,
    ]),
    ...['sms', [], ['sms', 'sms'], ['SMS'], [''], [7], {}].map((senders): [unknown, string] => [
      { login: { open: true, senders } },
      `Option purposes.login.senders is ${shown(senders)}. Give a list of different names of senders, each 1 to 64 of a-z, ` +
        '0-9 and "-", not beginning with "-"; leave it out for all senders.',
    ]),
    [
      { login: { open: true, details: { amount: 'string' } } },
      'Option purposes.login.details is a value of type object. Give a function.',
    ],
    [
      { login: { subjects: subject } },
      'There is no member of purpose login: subjects. Known: claimedSubject, details, detailsText, firstFactor, methods, open, recipient, senders, subject, ttlSeconds.',
    ],
    ...['yes', 1, null].map((claimedSubject): [unknown, string] => [
      { login: { subject, recipient, claimedSubject } },
      `Option purposes.login.claimedSubject is ${shown(claimedSubject)}. Give true where an anonymous client names the subject, ` +
        'or leave it out.',
    ]),
    [
      { login: { open: true, claimedSubject: true } },
      'Option purposes.login.claimedSubject is true, and the purpose has no subject. Give it subject and recipient, or leave ' +
        'claimedSubject out.',
    ],
    [
      { login: { subject, recipient: 'client', claimedSubject: true } },
      'Option purposes.login.claimedSubject is true, and the client also names where codes go: anybody would prove to be any person by a ' +
        'code to a mailbox of their own. Give a recipient function that finds the address of the claimed person, or leave ' +
        'claimedSubject out.',
    ],
    [new Map([['login', { subject, recipient }]]), 'Option purposes is a Map. Give an object.'],
    [
      Promise.resolve({ login: { subject, recipient } }),
      'Option purposes is a Promise. Give an object.',
    ],
    ...[29, 601, 0, -1, Number.NaN, Infinity, '600', null].map((ttlSeconds): [unknown, string] => [
      { login: { ttlSeconds } },
      `Option purposes.login.ttlSeconds is ${shown(ttlSeconds)}. Give a whole number from 30 to 600.`,
    ]),
  ])('%j are refused', (purposes, message) => {
    expect(refusal({ purposes })).toBe(message);
  });
});
