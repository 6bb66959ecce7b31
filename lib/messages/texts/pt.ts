import type { MessageTexts } from '../message.interface.js';

/** As in Portugal. */
export const PORTUGUESE: MessageTexts = {
  subject: 'O seu código',
  heading: 'O seu código {purpose}:',
  approval: 'Introduza este código apenas se quiser aprovar o seguinte:',
  validity: 'O código é válido por {lifetime}.',
  advice:
    'Não o partilhe com ninguém. Nunca lhe pediremos este código por telefone nem por mensagem.',
  sms: '{code} é o seu código {purpose}. Vale por {lifetime}. Não o partilhe. {approval}',
  smsApproval: 'Vai aprovar: "{details}".',
  purposes: {
    login: 'para iniciar sessão',
    'sign-in': 'para iniciar sessão',
    'sign-up': 'para criar a sua conta',
    'change-email': 'para alterar o seu e-mail',
    'change-phone': 'para alterar o seu telefone',
    'change-password': 'para alterar a sua palavra-passe',
    'reset-password': 'para repor a sua palavra-passe',
    payment: 'para aprovar um pagamento',
    transfer: 'para aprovar uma transferência',
  },
};
