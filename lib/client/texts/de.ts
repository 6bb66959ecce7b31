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
  totp: 'Code Ihrer Authentifizierungs-App',
  recovery: 'Wiederherstellungscode',
  totpHint: 'Öffnen Sie Ihre Authentifizierungs-App und geben Sie den Code ein, den sie anzeigt.',
  recoveryHint:
    'Geben Sie einen der Codes ein, die Sie aufbewahrt haben. Jeder funktioniert einmal.',
  passkeyHint: 'Bestätigen Sie mit Ihrem Passkey: mit Fingerabdruck, Gesicht oder Gerätesperre.',
  confirm: 'Bestätigen',
  passkey: 'Passkey verwenden',
  passkeyRefused: (attempts) => `Der Passkey wurde abgelehnt. ${attemptsLeft(attempts)}.`,
  attempts: attemptsLeft,
  valid: 'Gültig für {time}',
  validOneMinute: 'Noch eine Minute gültig.',
  resend: 'Code erneut senden',
  resendIn: 'Code erneut senden in {time}',
  resendWait: (seconds) =>
    plural('de', seconds, {
      one: 'Bitte warten Sie {seconds} Sekunde bis zur nächsten Nachricht.',
      other: 'Bitte warten Sie {seconds} Sekunden bis zur nächsten Nachricht.',
    }),
  resendNow: 'Sie können den Code jetzt erneut senden lassen.',
  resent: 'Der Code ist noch einmal unterwegs.',
  retryWait: 'Bitte warten Sie {time} bis zum nächsten Versuch.',
  retryNow: 'Sie können es jetzt erneut versuchen.',
  cannotResend: 'Der Code kann nicht erneut gesendet werden.',
  locked: 'Es waren zu viele Versuche.',
  others: 'Andere Wege zu bestätigen',
  useCode: 'Code senden',
  useTotp: 'Authentifizierungs-App',
  usePasskey: 'Passkey',
  useRecovery: 'Wiederherstellungscode',
  useDevice: 'Dieses Gerät',
  confirmed: 'Bestätigt.',
  busy: 'Einen Moment …',
  required: 'Bitte bestätigen Sie zuerst.',
  empty: 'Bitte geben Sie den Code ein.',
  problems: {
    'already-used': 'Dies wurde bereits bestätigt und verwendet.',
    'attempts-exhausted': 'Es wurden zu viele falsche Codes eingegeben.',
    cancelled: 'Dies wurde abgebrochen.',
    'code-mismatch': (attempts) => `Der Code ist falsch. ${attemptsLeft(attempts)}.`,
    expired: 'Der Code ist abgelaufen.',
    'invalid-request': 'Dies ist kein Code. Bitte sehen Sie noch einmal nach.',
    'method-not-allowed': 'Dieser Weg ist hier nicht möglich.',
    'no-method': 'Sie haben keinen Weg eingerichtet, dies zu bestätigen.',
    'no-recipient': 'Wir haben keine Adresse oder Nummer von Ihnen für einen Code.',
    'no-subject': 'Bitte melden Sie sich zuerst an.',
    'not-found': 'Dies kann nicht mehr bestätigt werden.',
    'passkey-unanswered': 'Es wurde kein Passkey verwendet.',
    'recipient-not-allowed': 'Dorthin kann kein Code gesendet werden.',
    'sender-removed': 'Der Code kann nicht erneut gesendet werden.',
    'send-failed': 'Der Code konnte nicht gesendet werden.',
    'temporarily-unavailable':
      'Das ist im Moment nicht möglich. Bitte versuchen Sie es gleich noch einmal.',
    'too-many-requests': 'Es waren zu viele Versuche. Bitte warten Sie {time}.',
    'unknown-secret': 'Dies kann nicht mehr bestätigt werden.',
    unreachable: 'Es gibt keine Verbindung. Bitte versuchen Sie es erneut.',
  },
  problem: 'Das ist im Moment nicht möglich.',
};
