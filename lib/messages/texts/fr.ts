import type { MessageTexts } from '../message.interface.js';

export const FRENCH: MessageTexts = {
  subject: 'Votre code {product}',
  heading: 'Votre code {product} {purpose} :',
  approval: 'Saisissez ce code uniquement si vous voulez approuver :',
  validity: 'Il est valable {lifetime}.',
  advice: 'Ne le communiquez à personne. Nous ne vous le demanderons jamais.',
  sms: '{code} est votre code {product} {purpose}. {approval} Il est valable {lifetime}. Ne le communiquez à personne.',
  smsApproval: 'Pour approuver : "{details}".',
  purposes: {
    login: 'pour vous connecter',
    'sign-in': 'pour vous connecter',
    'sign-up': 'pour créer votre compte',
    'change-email': "pour changer d'adresse e-mail",
    'change-phone': 'pour changer de numéro de téléphone',
    'change-password': 'pour changer de mot de passe',
    'reset-password': 'pour réinitialiser votre mot de passe',
    payment: 'pour approuver un paiement',
    transfer: 'pour approuver un virement',
  },
};
