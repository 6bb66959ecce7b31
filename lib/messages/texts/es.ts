import type { MessageTexts } from '../message.interface.js';

/**
 * The text message says `clave de un solo uso`, and avoids `código`, whose `ó` is not in the GSM alphabet: with it the message would
 * take two segments instead of one. `clave` alone is the password of an account, which must not be asked for.
 */
export const SPANISH: MessageTexts = {
  subject: 'Su código',
  heading: 'Su código {purpose}:',
  approval: 'Introduzca este código solo si quiere autorizar lo siguiente:',
  validity: 'El código es válido durante {lifetime}.',
  advice: 'No lo comparta con nadie. Nunca se lo pediremos por teléfono ni por mensaje.',
  sms: '{code} es su clave de un solo uso {purpose}. Vale durante {lifetime}. No la comparta. {approval}',
  smsApproval: 'Usted autoriza: "{details}".',
  purposes: {
    login: 'para acceder',
    'sign-in': 'para acceder',
    'sign-up': 'para crear su cuenta',
    'change-email': 'para cambiar su correo',
    'change-phone': 'para cambiar su teléfono',
    'change-password': 'para cambiar su contraseña',
    'reset-password': 'para restablecer su contraseña',
    payment: 'para autorizar un pago',
    transfer: 'para autorizar una transferencia',
  },
};
