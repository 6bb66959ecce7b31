import type { LanguageTexts } from './language-texts.js';
import { plural } from './plural.js';

const attemptsLeft = (attempts: number): string =>
  plural('de', attempts, { one: 'Noch {attempts} Versuch', other: 'Noch {attempts} Versuche' });

/** The texts in German. */
export const GERMAN: LanguageTexts = {
  start: 'Weiter',
  restart: 'Neu beginnen',
  sent: 'Wir haben einen Code an {recipient} gesendet.',
  queued: 'Wir senden einen Code an {recipient}.',
  delayed: 'Die Nachricht braucht länger als sonst. Wir versuchen es weiter.',
  code: 'Code',
  totp: 'Code aus Ihrer Authenticator-App',
  recovery: 'Wiederherstellungscode',
  totpHint: 'Öffnen Sie Ihre Authenticator-App und geben Sie den Code ein, den sie anzeigt.',
  recoveryHint: 'Geben Sie einen der Codes ein, die Sie aufbewahrt haben. Jeder gilt nur einmal.',
  passkeyHint: 'Bestätigen Sie mit Ihrem Passkey: mit Fingerabdruck, Gesicht oder Displaysperre.',
  confirm: 'Bestätigen',
  passkey: 'Passkey verwenden',
  passkeyRefused: (attempts) => `Der Passkey wurde abgelehnt. ${attemptsLeft(attempts)}.`,
  attempts: attemptsLeft,
  valid: 'Verbleibende Zeit: {time}',
  validOneMinute: 'Noch eine Minute.',
  resend: 'Code erneut senden',
  resendIn: 'Code in {time} erneut senden',
  resendWait: (seconds) =>
    plural('de', seconds, {
      one: 'Bitte warten Sie {seconds} Sekunde bis zur nächsten Nachricht.',
      other: 'Bitte warten Sie {seconds} Sekunden bis zur nächsten Nachricht.',
    }),
  resendNow: 'Sie können den Code jetzt erneut senden lassen.',
  resent: 'Der Code ist erneut unterwegs.',
  retryWait: 'Nächster Versuch in {time}.',
  retryNow: 'Sie können es jetzt erneut versuchen.',
  cannotResend: 'Der Code kann nicht erneut gesendet werden.',
  locked: 'Zu viele Versuche.',
  others: 'Andere Möglichkeiten',
  useCode: 'Code anfordern',
  useTotp: 'Authenticator-App',
  usePasskey: 'Passkey',
  useRecovery: 'Wiederherstellungscode',
  useDevice: 'Vertrautes Gerät',
  confirmed: 'Bestätigt.',
  busy: 'Einen Moment …',
  required: 'Bitte bestätigen Sie zuerst.',
  empty: 'Bitte geben Sie den Code ein.',
  problems: {
    'already-used': 'Diese Bestätigung wurde bereits verwendet.',
    'attempts-exhausted': 'Zu viele Fehlversuche.',
    cancelled: 'Der Vorgang wurde abgebrochen.',
    'code-mismatch': (attempts) => `Der Code ist falsch. ${attemptsLeft(attempts)}.`,
    expired: 'Die Zeit ist abgelaufen. Bitte beginnen Sie neu.',
    'invalid-request': 'Die Eingabe ist ungültig. Bitte prüfen Sie sie.',
    'method-not-allowed': 'Diese Methode ist hier nicht verfügbar.',
    'no-method': 'Sie haben keine Methode eingerichtet, mit der Sie dies bestätigen können.',
    'no-recipient':
      'Wir haben keine E-Mail-Adresse oder Telefonnummer von Ihnen, an die wir einen Code senden können.',
    'no-subject': 'Bitte melden Sie sich zuerst an.',
    'not-found': 'Der Vorgang kann nicht mehr bestätigt werden.',
    'passkey-unanswered': 'Es wurde kein Passkey verwendet.',
    'recipient-not-allowed': 'An dieses Ziel kann kein Code gesendet werden.',
    'sender-removed': 'Der Code kann nicht erneut gesendet werden.',
    'send-failed': 'Der Code konnte nicht gesendet werden.',
    'temporarily-unavailable':
      'Das ist im Moment nicht möglich. Bitte versuchen Sie es gleich noch einmal.',
    'too-many-requests': 'Zu viele Versuche. Neuer Versuch in {time}.',
    'unknown-secret': 'Der Vorgang kann nicht mehr bestätigt werden.',
    unreachable: 'Es gibt keine Verbindung. Bitte versuchen Sie es erneut.',
  },
  problem: 'Das ist im Moment nicht möglich.',
};
