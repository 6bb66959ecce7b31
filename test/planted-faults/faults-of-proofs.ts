import type { PlantedFault } from './planted-fault.js';

const STATEMENTS = 'lib/confirmation/store/dialects/statements.ts';
const CHECKS = 'lib/http/guarded-route.checks.ts';
const AT_BOOT = 'test/e2e/guard-at-boot-routes.spec.ts';

/** What a proof is worth, and to whom: findings 5 to 8. */
export const FAULTS_OF_PROOFS: readonly PlantedFault[] = [
  {
    finding: 5,
    sentence: 'A code goes out by a sender that its purpose does not name.',
    file: 'lib/delivery/sender.service.ts',
    replace: '    if (allowed === undefined) return this.sender(name);',
    by: '    if (allowed === undefined || name !== null) return this.sender(name);',
    spec: 'test/e2e/senders-of-a-purpose.spec.ts',
    test: "The senders of a purpose over HTTP on 'Express' > answers 400 with the allowed ways when another one is named, and sends nothing",
  },
  {
    finding: 5,
    sentence: 'A guarded route takes a proof whose code went out by another way.',
    file: STATEMENTS,
    replace: 'useByAllowedSender: guarded(`${use.guard} AND ${hasAllowedSender}`),',
    by: 'useByAllowedSender: guarded(`${use.guard} AND (${hasAllowedSender} OR ${c.id} = :id)`),',
    spec: 'test/e2e/senders-of-a-purpose.spec.ts',
    test: "The senders of a purpose over HTTP on 'Express' > refuses at /transfers a proof whose code went out by another way, and takes one by an allowed way",
  },
  {
    finding: 5,
    sentence: 'A confirmed e-mail address is called a phone number.',
    file: 'lib/confirmation/model/token-kind.ts',
    replace: "  return isEmailAddress(normalizedToken) ? 'email' : 'other';",
    by: "  return isEmailAddress(normalizedToken) ? 'phone' : 'other';",
    spec: 'test/unit/confirmation/token-kind.spec.ts',
    test: 'the kind of a token > of Ann@Example.com is email when it is normalised',
  },
  {
    finding: 6,
    sentence: 'The guard looks whether the proof can be used, and reserves it for no call.',
    file: STATEMENTS,
    replace:
      '    reserve: `UPDATE ${table} SET ${use.set} WHERE ${use.where} ${returning(names)}`,',
    by: '    reserve: `UPDATE ${table} SET ${c.useKey} = :useKey WHERE ${use.where} ${returning(names)}`,',
    spec: 'test/engines/reservation.spec.ts',
    test: "Twenty calls with one proof on 'Express' and 'sqljs' > have one effect when the handler forgets to use it",
  },
  {
    finding: 6,
    sentence: 'A cache in front of a handler answers several times for one proof.',
    file: STATEMENTS,
    replace:
      '    reserve: `UPDATE ${table} SET ${use.set} WHERE ${use.where} ${returning(names)}`,',
    by: '    reserve: `UPDATE ${table} SET ${c.useKey} = :useKey WHERE ${use.where} ${returning(names)}`,',
    spec: 'test/e2e/reserved-proof.spec.ts',
    test: "A reserved proof on 'Express' > is answered once when an interceptor outside answers from a cache",
  },
  {
    finding: 6,
    sentence:
      'A call that fails gives its proof back without an end, as a key for guessing a password.',
    file: STATEMENTS,
    replace:
      '      UPDATE ${table} SET ${c.usedAt} = NULL, ${c.useKey} = NULL, ${c.attempts} = ${c.attempts} + 1',
    by: '      UPDATE ${table} SET ${c.usedAt} = NULL, ${c.useKey} = NULL',
    spec: 'test/e2e/reserved-proof.spec.ts',
    test: "A reserved proof on 'Express' > takes nine failed calls after a code, so that it is no key for guessing a password",
  },
  {
    finding: 6,
    sentence: 'A handler without @Confirmation() boots.',
    file: CHECKS,
    replace: "  if (requirement.useIn === 'handler' && !takesProof(type, name)) {",
    by: '  if (requirement.useIn === undefined && !takesProof(type, name)) {',
    spec: AT_BOOT,
    test: 'A boot with @RequireConfirmation > is refused when the proof is for a handler that does not ask for it',
  },
  {
    finding: 7,
    sentence: '@RequireConfirmation on a method that is no route boots.',
    file: 'lib/http/guarded-route.explorer.ts',
    replace: '      if (!isCalled && requirementOf(method)) throw noRoute(where, method);\n',
    by: '',
    spec: AT_BOOT,
    test: 'A boot with @RequireConfirmation > is refused when the method is no route of its class',
  },
  {
    finding: 7,
    sentence: 'A subclass that overrides a guarded method without the decorator boots.',
    file: CHECKS,
    replace: '    if (ofClass || !isCalled) continue;',
    by: '    if (ofClass || isCalled || !isCalled) continue;',
    spec: AT_BOOT,
    test: 'A boot with @RequireConfirmation > is refused when a subclass overrides the route without it',
  },
  {
    finding: 7,
    sentence: 'A guard below @RequireConfirmation in the source runs after the proof is used.',
    file: 'lib/http/enhancer-order.ts',
    replace: '  if (isFollowed) putLast(GUARDS, method, LAST_GUARD);',
    by: '  if (isFollowed && all.length === 0) putLast(GUARDS, method, LAST_GUARD);',
    spec: 'test/e2e/guard-order.spec.ts',
    test: 'The order of @RequireConfirmation and @UseGuards > does not matter: the other guards run first, and their refusal keeps the proof',
  },
  {
    finding: 8,
    sentence: 'All tokens of a subject share one count of failures.',
    file: 'lib/limits/quota-planner.ts',
    replace: "      return ['bound', subject, token === null ? '' : this.countedNameOf(token)];",
    by: "      return ['bound', subject, ''];",
    spec: 'test/engines/limits.spec.ts',
    test: 'Failures on sqljs > ends the failures of the token alone when its right code comes',
  },
  {
    finding: 8,
    sentence: 'A right code of a token that the client names ends the failures at the own one.',
    file: 'lib/limits/message-class.ts',
    replace: "  return subject === '' || tokenFrom === 'client' ? 'open' : 'bound';",
    by: "  return subject === '' || (tokenFrom === 'client' && subject === '') ? 'open' : 'bound';",
    spec: 'test/engines/limits.spec.ts',
    test: "Failures on sqljs > keeps a subject's failures when the subject proves a token that it names itself",
  },
  {
    finding: 8,
    sentence: 'An authenticator app shares its count of failures with sent codes.',
    file: 'lib/limits/quota-planner.ts',
    replace: "      return [isClaimed ? 'claimed-method' : 'method', subject, method];",
    by: "      return [isClaimed ? 'claimed-method' : 'bound', subject, ''];",
    spec: 'test/engines/factor-attacks.spec.ts',
    test: 'Attacks on factors on sqljs > ends the failures of the app by its right code, and not those of the codes',
  },
];
