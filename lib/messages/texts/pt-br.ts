import type { MessageTexts } from '../message.interface.js';

/** As in Brazil. */
export const BRAZILIAN_PORTUGUESE: MessageTexts = {
  subject: 'Seu código',
  heading: 'Seu código {purpose}:',
  approval: 'Digite este código somente se quiser aprovar o seguinte:',
  validity: 'O código é válido por {lifetime}.',
  advice:
    'Não o compartilhe com ninguém. Nunca pediremos este código por telefone nem por mensagem.',
  sms: '{code} é seu código {purpose}. Vale por {lifetime}. Não o compartilhe. {approval}',
  smsApproval: 'Você aprova: "{details}".',
  purposes: {
    login: 'para entrar',
    'sign-in': 'para entrar',
    'sign-up': 'para criar sua conta',
    'change-email': 'para alterar seu e-mail',
    'change-phone': 'para alterar seu telefone',
    'change-password': 'para alterar sua senha',
    'reset-password': 'para redefinir sua senha',
    payment: 'para aprovar um pagamento',
    transfer: 'para aprovar uma transferência',
  },
};
