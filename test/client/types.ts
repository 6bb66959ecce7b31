// What a front end writes, what it must not be able to write, and that the client's types are those of the server.
import {
  createTwoFactorClient,
  type ActivateBody,
  type ActivatedFactorAnswer,
  type BegunAppAnswer,
  type BegunPasskeyAnswer,
  type CheckedConfirmation,
  type ConfirmBody,
  type ConfirmedConfirmation,
  type EnrolBody,
  type FactorAnswer,
  type MethodName,
  type PasskeyAssertionJson,
  type PasskeyRegistrationJson,
  type PasskeyRequestOptionsJson,
  type RecoveryCodesAnswer,
  type RemoveBody,
  type RemovedFactorAnswer,
  type RenamedFactor,
  type RequestBody,
  type RequestedConfirmation,
  type TwoFactorProblem,
} from 'nestjs-two-factor/client';
import { TwoFactorCode, type TwoFactorTexts } from 'nestjs-two-factor/client/element';
import { GERMAN, textsFor, type LanguageTexts } from 'nestjs-two-factor/client/texts';

import type {
  PasskeyAssertionResponse,
  PasskeyRegistrationResponse,
} from '../../lib/confirmation/index.js';
import type { MethodName as ServerMethodName } from '../../lib/errors/index.js';
import type {
  ChallengeAnswer,
  CheckAnswer,
  ConfirmAnswer,
  ProblemAnswer,
  RequestConfirmationAnswer,
} from '../../lib/http/dto/answers.dto.js';
import type {
  ConfirmBody as ServerConfirmBody,
  RequestConfirmationBody,
} from '../../lib/http/dto/bodies.dto.js';
import type {
  ActivateFactorAnswer,
  EnrolFactorAnswer,
  FactorAnswer as ServerFactorAnswer,
  RecoveryCodesAnswer as ServerRecoveryCodesAnswer,
  RemoveFactorAnswer,
  RenameFactorAnswer,
} from '../../lib/http/dto/factor-answers.dto.js';
import type {
  ActivateFactorBody,
  EnrolFactorBody,
  RemoveFactorBody,
  RenameFactorBody,
} from '../../lib/http/dto/factor-bodies.dto.js';
import type { Problem } from '../../lib/http/problem.js';
import type {
  ActivatedFactor,
  BegunFactor,
  BegunPasskey,
  FactorView,
} from '../../lib/methods/index.js';
import { same } from '../types/same.js';

/** What JSON makes of a class. */
type Json<T> = { readonly [Name in keyof T]: Text<T[Name]> };
type Text<T> = T extends Date ? string : T;
type WithFactor<T> = Omit<Json<T>, 'factor'> & { readonly factor: Json<FactorView> };
/** The members of all members of a union. */
type AllKeys<T> = T extends unknown ? keyof T : never;
type ServerProblem = Exclude<TwoFactorProblem, { status: 0 } | { document: unknown }>;
/** The server declares the names of methods as strings. */
type Named<T> = Omit<T, 'method' | 'methods'> & {
  readonly method?: MethodName;
  readonly methods?: readonly MethodName[];
};

export const members = [
  same<keyof RequestedConfirmation, keyof RequestConfirmationAnswer>(true),
  same<keyof ConfirmedConfirmation, keyof ConfirmAnswer>(true),
  same<Json<CheckedConfirmation>, Json<CheckAnswer>>(true),
  same<keyof RequestBody, keyof RequestConfirmationBody>(true),
  same<keyof FactorAnswer, keyof FactorView>(true),
  same<keyof FactorAnswer, keyof ServerFactorAnswer>(true),
  same<AllKeys<BegunAppAnswer | BegunPasskeyAnswer>, keyof EnrolFactorAnswer>(true),
  same<keyof ActivatedFactorAnswer, keyof ActivateFactorAnswer>(true),
  same<RenamedFactor, Json<RenameFactorAnswer>>(true),
  same<RemovedFactorAnswer, Json<RemoveFactorAnswer>>(true),
  same<RecoveryCodesAnswer, Json<ServerRecoveryCodesAnswer>>(true),
  same<keyof EnrolBody, keyof EnrolFactorBody>(true),
  same<keyof ActivateBody, keyof ActivateFactorBody>(true),
  same<RenamedFactor, Json<RenameFactorBody>>(true),
  same<keyof RemoveBody, keyof RemoveFactorBody>(true),
  same<AllKeys<ServerProblem>, keyof ProblemAnswer>(true),
];
export const requested = (answer: Named<RequestConfirmationAnswer>): RequestedConfirmation =>
  answer;
export const confirmed = (answer: ConfirmAnswer): ConfirmedConfirmation => answer;
export const checked = (answer: CheckAnswer): CheckedConfirmation => answer;
export const methods = (name: ServerMethodName): MethodName => name;
export const typed = (body: Extract<ConfirmBody, { code: string }>): ServerConfirmBody => body;
export const factor = (view: Json<FactorView>): FactorAnswer => view;
export const app = (begun: WithFactor<BegunFactor>): BegunAppAnswer => begun;
export const passkey = (begun: WithFactor<BegunPasskey>): BegunPasskeyAnswer => begun;
export const active = (factor: WithFactor<ActivatedFactor>): ActivatedFactorAnswer => factor;
export const challenge = (answer: ChallengeAnswer): PasskeyRequestOptionsJson => answer;
export const registration = (response: PasskeyRegistrationResponse): PasskeyRegistrationJson =>
  response;
export const assertion = (response: PasskeyAssertionResponse): PasskeyAssertionJson => response;
export const problemOf = (
  problem: ServerProblem,
): Pick<Problem, 'error' | 'type' | 'title' | 'status' | 'instance'> => problem;

const client = createTwoFactorClient({ url: '/2factor', headers: async () => ({}) });

export async function attempt(): Promise<string | number> {
  const result = await client.confirm({ id: '1', code: '042317' });
  // @ts-expect-error: there is no value before the problem was looked at
  const unchecked: string = result.value.id;
  if (result.ok) return result.value.id;
  const { problem } = result;
  // @ts-expect-error: not every problem has attempts
  const attempts: number = problem.attemptsLeft;
  if (problem.error === 'code-mismatch') return problem.attemptsLeft ?? 0;
  // @ts-expect-error: a misspelt slug
  if (problem.error === 'code-mismatched') return attempts;
  if (problem.error === 'too-many-requests') return problem.retryAfter ?? 0;
  return unchecked;
}

export const calls = (): unknown[] => [
  client.confirm({ id: '1', method: 'totp', code: '042317' }),
  client.confirm({ id: '1', method: 'passkey', response: {} }),
  client.confirm({ id: '1', method: 'device' }),
  // @ts-expect-error: a device has no code
  client.confirm({ id: '1', method: 'device', code: '042317' }),
  // @ts-expect-error: an app needs a code
  client.confirm({ id: '1', method: 'totp' }),
  // @ts-expect-error: no such member
  client.requestConfirmation({ porpose: 'transfer' }),
  // @ts-expect-error: no such method
  client.factors.enrol({ method: 'sms' }),
  // @ts-expect-error: a number is no time-out in words
  createTwoFactorClient({ timeoutMs: '30s' }),
];

export async function enrolled(): Promise<unknown[]> {
  const app = await client.factors.enrol({ method: 'totp' }, { proof: '1' });
  const passkey = await client.factors.enrol({ method: 'passkey' }, { proof: '1' });
  // @ts-expect-error: an app has no options for the browser
  const wrong: unknown = app.ok && app.value.options;
  return [app.ok && app.value.uri, passkey.ok && passkey.value.options.challenge, wrong];
}

export function element(): TwoFactorCode {
  const code = document.createElement('two-factor-code');
  code.texts = { start: 'Los' };
  // @ts-expect-error: a misspelt text
  code.texts = { begin: 'Los' };
  // @ts-expect-error: the problems have slugs
  code.texts = { problems: { 'code-mismatched': '' } };
  code.addEventListener('two-factor-confirmed', ({ detail }) => detail.id.length);
  const all: TwoFactorTexts = TwoFactorCode.texts;
  TwoFactorCode.texts = { ...all, start: 'Los' };
  // The element asks for the form of a text by its number.
  code.texts = { attempts: (count) => (count === 1 ? 'Einer' : '{attempts}') };
  // @ts-expect-error: a label has no number
  code.texts = { start: (count: number) => `${count}` };
  TwoFactorCode.texts = textsFor('de');
  return code;
}

const { start, ...withoutStart } = GERMAN;
const { expired, ...withoutExpired } = GERMAN.problems;

export const languages: LanguageTexts[] = [
  { ...withoutStart, start },
  { ...GERMAN, problems: { ...withoutExpired, expired } },
  // @ts-expect-error: a label is missing
  withoutStart,
  // @ts-expect-error: the sentence of a problem is missing
  { ...GERMAN, problems: withoutExpired },
  // @ts-expect-error: a misspelt text
  { ...GERMAN, begin: 'Los' },
];
