import type { LanguageTexts } from './language-texts.js';
import { plural } from './plural.js';

const attemptsLeft = (attempts: number): string =>
  plural('fr', attempts, {
    one: 'Il reste {attempts} tentative',
    other: 'Il reste {attempts} tentatives',
  });

/** The texts in French. A no-break space stands before a colon, which would else begin a line. */
export const FRENCH: LanguageTexts = {
  start: 'Continuer',
  restart: 'Recommencer',
  sent: 'Nous avons envoyé un code à {recipient}.',
  queued: 'Nous envoyons un code à {recipient}.',
  delayed: 'Le message met plus de temps que d’habitude. Nous continuons d’essayer.',
  code: 'Code',
  totp: 'Code de votre application d’authentification',
  recovery: 'Code de récupération',
  totpHint: 'Ouvrez votre application d’authentification et saisissez le code qu’elle affiche.',
  recoveryHint: 'Saisissez l’un des codes que vous avez conservés. Chacun sert une seule fois.',
  passkeyHint:
    'Confirmez avec votre clé d’accès\u00A0: empreinte, visage ou verrouillage de votre appareil.',
  confirm: 'Confirmer',
  passkey: 'Utiliser une clé d’accès',
  passkeyRefused: (attempts) => `La clé d’accès a été refusée. ${attemptsLeft(attempts)}.`,
  attempts: attemptsLeft,
  valid: 'Valable pendant {time}',
  validOneMinute: 'Valable encore une minute.',
  resend: 'Renvoyer le code',
  resendIn: 'Renvoyer le code dans {time}',
  resendWait: (seconds) =>
    plural('fr', seconds, {
      one: 'Veuillez attendre {seconds} seconde avant le prochain message.',
      other: 'Veuillez attendre {seconds} secondes avant le prochain message.',
    }),
  resendNow: 'Vous pouvez maintenant faire renvoyer le code.',
  resent: 'Le code est de nouveau en route.',
  retryWait: 'Veuillez attendre {time} avant le prochain essai.',
  retryNow: 'Vous pouvez maintenant réessayer.',
  cannotResend: 'Le code ne peut pas être renvoyé.',
  locked: 'Il y a eu trop de tentatives.',
  others: 'Autres moyens de confirmer',
  useCode: 'M’envoyer un code',
  useTotp: 'Application d’authentification',
  usePasskey: 'Clé d’accès',
  useRecovery: 'Code de récupération',
  useDevice: 'Cet appareil',
  confirmed: 'Confirmé.',
  busy: 'Un instant …',
  required: 'Veuillez d’abord confirmer.',
  empty: 'Veuillez saisir le code.',
  problems: {
    'already-used': 'Ceci a déjà été confirmé et utilisé.',
    'attempts-exhausted': 'Trop de codes erronés ont été saisis.',
    cancelled: 'Ceci a été annulé.',
    'code-mismatch': (attempts) => `Le code est erroné. ${attemptsLeft(attempts)}.`,
    expired: 'Le code a expiré.',
    'invalid-request': 'Ce n’est pas un code. Veuillez le vérifier.',
    'method-not-allowed': 'Ce moyen n’est pas possible ici.',
    'no-method': 'Vous n’avez configuré aucun moyen de confirmer ceci.',
    'no-recipient': 'Nous n’avons ni adresse ni numéro pour vous envoyer un code.',
    'no-subject': 'Veuillez d’abord vous connecter.',
    'not-found': 'Ceci ne peut plus être confirmé.',
    'passkey-unanswered': 'Aucune clé d’accès n’a été utilisée.',
    'recipient-not-allowed': 'Aucun code ne peut y être envoyé.',
    'sender-removed': 'Le code ne peut pas être renvoyé.',
    'send-failed': 'Le code n’a pas pu être envoyé.',
    'temporarily-unavailable':
      'Ceci ne fonctionne pas pour le moment. Veuillez réessayer dans un instant.',
    'too-many-requests': 'Il y a eu trop de tentatives. Veuillez attendre {time}.',
    'unknown-secret': 'Ceci ne peut plus être confirmé.',
    unreachable: 'Il n’y a pas de connexion. Veuillez réessayer.',
  },
  problem: 'Ceci ne fonctionne pas pour le moment.',
};
