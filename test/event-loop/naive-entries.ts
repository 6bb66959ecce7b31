import { functionalSenderBackend } from '../../lib/index.js';
import { openApplication } from './application.js';
import { fresh, type Entry } from './entry.js';
import { naiveRedact } from './naive-redact.js';

/** Deliberately naive: of the fourth degree, as its first three parts match the same characters. */
const NOT_LINEAR = /-*-*-*x\d$/;

/** A backend that echoes, and strikes its words out by an expression that is built from the token. */
export async function naiveEntries(): Promise<Entry[]> {
  const application = await openApplication({
    options: {
      senders: {
        default: {
          backend: functionalSenderBackend(({ token, code }) => {
            throw new Error(naiveRedact(`no route to ${token} now`, code, token));
          }),
        },
      },
    },
  });
  const feed = async (token: string): Promise<string> => {
    await application.twoFactor.request({ token, subject: `user-${fresh()}` });
    return 'done';
  };
  return [{ name: 'an echoing backend', maxLength: 320, reaches: 'send-failed', feed }];
}

/** A literal that is harmless for short texts. */
export async function naiveLiteralEntries(): Promise<Entry[]> {
  const feed = async (text: string): Promise<string> => String(NOT_LINEAR.test(text));
  return [{ name: 'a literal', maxLength: 280, reaches: 'false', feed }];
}
