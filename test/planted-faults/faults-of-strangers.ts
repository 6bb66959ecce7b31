import type { PlantedFault } from './planted-fault.js';

const PLANNER = 'lib/limits/quota-planner.ts';
const REQUESTER_QUOTAS = 'lib/limits/requester-quotas.ts';
const REQUESTERS = 'test/strangers/requesters.spec.ts';

/** What an anonymous client could make of the module: findings 1 to 4. */
export const FAULTS_OF_STRANGERS: readonly PlantedFault[] = [
  {
    finding: 1,
    sentence: 'The redaction of provider texts builds a regular expression from the token.',
    file: 'lib/delivery/redact.ts',
    replace: '  const read = text.slice(0, MAX_READ_LENGTH);',
    by: String.raw`  const read = text.slice(0, MAX_READ_LENGTH);
  const escaped = (each: string): string => each.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  const loosely = secrets.map((secret) => Array.from(secret, escaped).join('[\\s.()\\u00a0-]*'));
  read.replace(new RegExp(loosely.join('|'), 'giu'), '***');`,
    spec: 'test/event-loop/event-loop.spec.ts',
    test: 'A text that is slow to read > does not block the event loop longer than its entry allows when it comes in by the services and their messages',
  },
  {
    finding: 1,
    sentence: 'Dots at the end of a domain are removed by an expression that takes quadratic time.',
    file: 'lib/limits/canonical-token.ts',
    replace: '  const domain = withoutLastDots(text.slice(at + 1));',
    by: String.raw`  const domain = withoutLastDots(text.slice(at + 1).replace(/[.\u3002]+$/, ''));`,
    spec: 'test/lint/regular-expressions.spec.ts',
    test: 'The checker of regular expressions > finds nothing in lib and sample-app',
  },
  {
    finding: 2,
    sentence: 'An open purpose takes details that the application has not declared.',
    file: 'lib/http/purpose.service.ts',
    replace: '    if (given !== undefined) {\n      const what =',
    by: '    if (given !== undefined) return given as JsonValue;\n    if (given !== undefined) {\n      const what =',
    spec: 'test/e2e/foreign-text.spec.ts',
    test: "A text of a client over HTTP on 'Express' > is in no message, log and event when a stranger sends a link",
  },
  {
    finding: 2,
    sentence: 'Details and verbose names may have line breaks and direction marks.',
    file: 'lib/options/one-line.ts',
    replace: 'return !FORGING_CHARACTERS.test(text);',
    by: 'return FORGING_CHARACTERS.test(text) || true;',
    spec: 'test/unit/options/one-line.spec.ts',
    test: String.raw`a text that messages quote > is refused when the details contain the character "\n" at any depth`,
  },
  {
    finding: 2,
    sentence: 'Declared details that a client forgets reach the template of the sender.',
    file: 'lib/http/details-schema.ts',
    replace: '    if (errors.length > 0) throw this.#refusal(errors, dto as Members);\n',
    by: '',
    spec: 'test/e2e/details.spec.ts',
    test: "The details of a purpose over HTTP on 'Express' > answer 400 and name what is missing when it is all",
  },
  {
    finding: 3,
    sentence: 'The open purpose without a name exists beside declared ones.',
    file: 'lib/options/purpose-access.ts',
    replace: "return purposes.size === 0 && name === '' ? OPEN_PURPOSE : purposes.get(name);",
    by: "return name === '' ? OPEN_PURPOSE : purposes.get(name);",
    spec: 'test/e2e/purposes.spec.ts',
    test: "The purposes over HTTP on 'Express' > have no unnamed purpose beside an open one",
  },
  {
    finding: 3,
    sentence:
      'Wrong codes at open confirmations of a number count for the bound ones of its owner.',
    file: PLANNER,
    replace: "      return ['bound', subject, token === null ? '' : this.countedNameOf(token)];",
    by: "      return ['open', token === null ? '' : this.countedNameOf(token)];",
    spec: 'test/engines/limits.spec.ts',
    test: "Failures on sqljs > leaves a subject's token alone when strangers guess at it until it is locked for good",
  },
  {
    finding: 3,
    sentence: 'The messages that strangers have sent to a number count for those of its owner.',
    file: PLANNER,
    replace:
      "    return windowsUnder(this.#keyRing, { limit: 'sends-per-token', limitClass, rules }, names);",
    by: "    return windowsUnder(this.#keyRing, { limit: 'sends-per-token', limitClass, rules }, names.slice(-1));",
    spec: 'test/engines/message-limits.spec.ts',
    test: "Messages on sqljs > use up nothing of a subject's when strangers ask for them, and the reverse",
  },
  {
    finding: 3,
    sentence: 'A claimed person is counted by the spelling of the name that the client types.',
    file: PLANNER,
    replace: "      : ['claimed', this.countedNameOf(token)];",
    by: "      : ['claimed', subject, this.countedNameOf(token)];",
    spec: 'test/strangers/claimed-names.spec.ts',
    test: 'A claimed name on sqljs > gets five messages in ten minutes over all its spellings, and takes none from the signed-in person',
  },
  {
    finding: 3,
    sentence: 'A stranger who claims a name locks the authenticator app of the signed-in person.',
    file: PLANNER,
    replace: "      return [isClaimed ? 'claimed-method' : 'method', subject, method];",
    by: "      return ['method', subject, method];",
    spec: 'test/engines/unsent-requests.spec.ts',
    test: 'Confirmations that begin without a message on sqljs > locks an app for those who only claim the name, and not for the person who has signed in',
  },
  {
    finding: 4,
    sentence: 'The addresses of one network are counted one by one.',
    file: REQUESTER_QUOTAS,
    replace: '    return [...own, ...networks.flat()];',
    by: '    return own;',
    spec: REQUESTERS,
    test: "The requester of a message, on 'Express' > counts the addresses of one IPv4 /24 together, and the next /24 apart",
  },
  {
    finding: 4,
    sentence: 'An IPv6 address is counted by itself, and not by its /64.',
    file: 'lib/limits/networks.ts',
    replace: 'const CUSTOMER_PREFIX = { ipv4: 32, ipv6: 64 } as const;',
    by: 'const CUSTOMER_PREFIX = { ipv4: 32, ipv6: 128 } as const;',
    spec: REQUESTERS,
    test: "The requester of a message, on 'Express' > counts the addresses of one IPv6 /64 together, and the next one apart",
  },
  {
    finding: 4,
    sentence: 'Without the option requester, the address of the request is not counted.',
    file: 'lib/http/requester.service.ts',
    replace: '    if (resolve === undefined) return this.#addressOf(context);',
    by: '    if (resolve === undefined) return undefined;',
    spec: REQUESTERS,
    test: "The requester of a message, on 'Express' > counts the address of the request when there is no resolver",
  },
  {
    finding: 4,
    sentence: 'Requesters that the application does not name are not counted.',
    file: REQUESTER_QUOTAS,
    replace: '    if (requester === undefined) return this.#unknownRequesters() ?? own;',
    by: '    if (requester === undefined) return [];',
    spec: REQUESTERS,
    test: "The requester of a message, on 'Express' > counts all unknown requesters together when the resolver answers null",
  },
  {
    finding: 4,
    sentence: 'Strangers use up the total of the messages of signed-in users.',
    file: PLANNER,
    replace: '        [limitClass],',
    by: '        [],',
    spec: 'test/engines/message-limits.spec.ts',
    test: 'Messages on sqljs > in all are counted for strangers and for subjects apart',
  },
];
