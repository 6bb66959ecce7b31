import type { MessageTexts } from '../message.interface.js';

export const PORTUGUESE: MessageTexts = {
  subject: 'O seu código',
  heading: 'O seu código {purpose}:',
  approval: 'Use este código apenas se quiser aprovar:',
  validity: 'É válido por {lifetime}.',
  advice: 'Não o revele a ninguém. Nunca lhe pediremos este código.',
  sms: '{code} é o seu código {purpose}. {approval} Vale por {lifetime}. Não o revele a ninguém.',
  smsApproval: 'Para aprovar: "{details}".',
  purposes: {
    login: 'para entrar',
    'sign-in': 'para entrar',
    'sign-up': 'para criar a sua conta',
    'change-email': 'para alterar o seu e-mail',
    'change-phone': 'para alterar o seu telefone',
    'change-password': 'para alterar a sua senha',
    'reset-password': 'para redefinir a sua senha',
    payment: 'para aprovar um pagamento',
    transfer: 'para aprovar uma transferência',
  },
};
