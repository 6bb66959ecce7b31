import type { MessageTexts } from '../message.interface.js';

/**
 * In a mail a no-break space stands before a colon, which would else begin a line. The text message has a plain one, because the GSM
 * alphabet has no other: with it the message would take two segments instead of one. For the same reason no purpose has `’`.
 */
export const FRENCH: MessageTexts = {
  subject: 'Votre code {product}',
  heading: 'Votre code {purpose}\u00A0:',
  approval: 'Saisissez ce code uniquement si vous voulez valider l’opération suivante\u00A0:',
  validity: 'Le code est valable {lifetime}.',
  advice:
    'Ne le communiquez à personne. Nous ne vous le demanderons jamais par téléphone ni par message.',
  sms: '{code} est votre code {product} {purpose}. Il est valable {lifetime}. Ne le communiquez pas. {approval}',
  smsApproval: 'Vous validez : "{details}".',
  purposes: {
    login: 'pour vous connecter',
    'sign-in': 'pour vous connecter',
    'sign-up': 'pour créer votre compte',
    'change-email': 'pour modifier votre adresse e-mail',
    'change-phone': 'pour modifier votre numéro de téléphone',
    'change-password': 'pour modifier votre mot de passe',
    'reset-password': 'pour réinitialiser votre mot de passe',
    payment: 'pour valider un paiement',
    transfer: 'pour valider un virement',
  },
};
