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
  delayed: 'Le message met plus de temps que d’habitude. Nous réessayons.',
  code: 'Code',
  totp: 'Code d’authentification',
  recovery: 'Code de récupération',
  totpHint: 'Ouvrez votre application d’authentification et saisissez le code qu’elle affiche.',
  recoveryHint:
    'Saisissez l’un des codes que vous avez conservés. Chacun ne sert qu’une seule fois.',
  passkeyHint:
    'Confirmez avec votre clé d’accès\u00A0: empreinte, visage ou verrouillage de l’écran.',
  confirm: 'Confirmer',
  passkey: 'Utiliser une clé d’accès',
  passkeyRefused: (attempts) => `La clé d’accès a été refusée. ${attemptsLeft(attempts)}.`,
  attempts: attemptsLeft,
  valid: 'Temps restant\u00A0: {time}',
  validOneMinute: 'Il reste une minute.',
  resend: 'Renvoyer le code',
  resendIn: 'Renvoyer le code dans {time}',
  resendWait: (seconds) =>
    plural('fr', seconds, {
      one: 'Veuillez attendre {seconds} seconde avant le prochain message.',
      other: 'Veuillez attendre {seconds} secondes avant le prochain message.',
    }),
  resendNow: 'Vous pouvez maintenant demander un nouvel envoi du code.',
  resent: 'Nous vous renvoyons le code.',
  retryWait: 'Prochaine tentative dans {time}.',
  retryNow: 'Vous pouvez maintenant réessayer.',
  cannotResend: 'Le code ne peut pas être renvoyé.',
  locked: 'Trop de tentatives.',
  others: 'Autres moyens de confirmer',
  useCode: 'Recevoir un code',
  useTotp: 'Application d’authentification',
  usePasskey: 'Clé d’accès',
  useRecovery: 'Code de récupération',
  useDevice: 'Appareil de confiance',
  confirmed: 'Confirmé.',
  busy: 'Un instant…',
  required: 'Veuillez d’abord confirmer.',
  empty: 'Veuillez saisir le code.',
  problems: {
    'already-used': 'Cette confirmation a déjà été utilisée.',
    'attempts-exhausted': 'Trop de tentatives infructueuses.',
    cancelled: 'La demande a été annulée.',
    'code-mismatch': (attempts) => `Code incorrect. ${attemptsLeft(attempts)}.`,
    expired: 'Le délai est écoulé. Veuillez recommencer.',
    'invalid-request': 'La saisie n’est pas valide. Veuillez la vérifier.',
    'method-not-allowed': 'Cette méthode n’est pas disponible ici.',
    'no-method': 'Vous n’avez configuré aucun moyen de confirmer cette opération.',
    'no-recipient': 'Nous n’avons ni adresse ni numéro pour vous envoyer un code.',
    'no-subject': 'Veuillez d’abord vous connecter.',
    'not-found': 'La confirmation n’est plus possible.',
    'passkey-unanswered': 'Aucune clé d’accès n’a été utilisée.',
    'recipient-not-allowed': 'Aucun code ne peut être envoyé à ce destinataire.',
    'sender-removed': 'Le code ne peut pas être renvoyé.',
    'send-failed': 'Le code n’a pas pu être envoyé.',
    'temporarily-unavailable':
      'Cette opération est impossible pour le moment. Veuillez réessayer dans un instant.',
    'too-many-requests': 'Trop de tentatives. Réessayez dans {time}.',
    'unknown-secret': 'La confirmation n’est plus possible.',
    unreachable: 'Il n’y a pas de connexion. Veuillez réessayer.',
  },
  problem: 'Cette opération est impossible pour le moment.',
};
