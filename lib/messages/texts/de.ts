import type { MessageTexts } from '../message.interface.js';

export const GERMAN: MessageTexts = {
  subject: 'Ihr Code',
  heading: 'Ihr Code {purpose}:',
  approval: 'Geben Sie diesen Code nur ein, wenn Sie Folgendes freigeben wollen:',
  validity: 'Der Code ist {lifetime} gültig.',
  advice:
    'Geben Sie ihn an niemanden weiter. Wir fragen weder am Telefon noch per Nachricht danach.',
  sms: '{code} ist Ihr Code {purpose}. Er ist {lifetime} gültig. Geben Sie ihn nicht weiter. {approval}',
  smsApproval: 'Sie geben frei: "{details}".',
  purposes: {
    login: 'zur Anmeldung',
    'sign-in': 'zur Anmeldung',
    'sign-up': 'zur Registrierung',
    'change-email': 'zur Änderung Ihrer E-Mail-Adresse',
    'change-phone': 'zur Änderung Ihrer Telefonnummer',
    'change-password': 'zur Änderung Ihres Passworts',
    'reset-password': 'zum Zurücksetzen Ihres Passworts',
    payment: 'zur Freigabe einer Zahlung',
    transfer: 'zur Freigabe einer Überweisung',
  },
};
