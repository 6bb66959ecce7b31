import type { MessageTexts } from '../message.interface.js';

/**
 * The text message says `clave`, and avoids `código`, whose `ó` is not in the GSM alphabet: with it the message would take two
 * segments instead of one.
 */
export const SPANISH: MessageTexts = {
  subject: 'Su código',
  heading: 'Su código {purpose}:',
  approval: 'Introduzca este código solo si quiere aprobar:',
  validity: 'Es válido durante {lifetime}.',
  advice: 'No lo comparta con nadie. Nunca se lo pediremos.',
  sms: '{code} es su clave {purpose}. {approval} Vale durante {lifetime}. No la comparta con nadie.',
  smsApproval: 'Para aprobar: "{details}".',
  purposes: {
    login: 'para entrar',
    'sign-in': 'para entrar',
    'sign-up': 'para crear su cuenta',
    'change-email': 'para cambiar su correo',
    'change-phone': 'para cambiar de teléfono',
    'change-password': 'para cambiar su contraseña',
    'reset-password': 'para restablecer su contraseña',
    payment: 'para aprobar un pago',
    transfer: 'para aprobar una transferencia',
  },
};
