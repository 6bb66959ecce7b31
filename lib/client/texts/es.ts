import type { LanguageTexts } from './language-texts.js';
import { plural } from './plural.js';

const attemptsLeft = (attempts: number): string =>
  plural('es', attempts, { one: 'Queda {attempts} intento', other: 'Quedan {attempts} intentos' });

/** The texts in Spanish. */
export const SPANISH: LanguageTexts = {
  start: 'Continuar',
  restart: 'Empezar de nuevo',
  sent: 'Hemos enviado un código a {recipient}.',
  queued: 'Estamos enviando un código a {recipient}.',
  delayed: 'El mensaje tarda más de lo habitual. Seguimos intentándolo.',
  code: 'Código',
  totp: 'Código de su aplicación de autenticación',
  recovery: 'Código de recuperación',
  totpHint: 'Abra su aplicación de autenticación e introduzca el código que muestra.',
  recoveryHint: 'Introduzca uno de los códigos que guardó. Cada uno sirve una sola vez.',
  passkeyHint:
    'Confirme con su llave de acceso: con la huella, la cara o el bloqueo de su dispositivo.',
  confirm: 'Confirmar',
  passkey: 'Usar llave de acceso',
  passkeyRefused: (attempts) => `La llave de acceso fue rechazada. ${attemptsLeft(attempts)}.`,
  attempts: attemptsLeft,
  valid: 'Válido durante {time}',
  validOneMinute: 'Válido durante un minuto más.',
  resend: 'Enviar el código de nuevo',
  resendIn: 'Enviar el código de nuevo en {time}',
  resendWait: (seconds) =>
    plural('es', seconds, {
      one: 'Espere {seconds} segundo hasta el próximo mensaje.',
      other: 'Espere {seconds} segundos hasta el próximo mensaje.',
    }),
  resendNow: 'Ya puede pedir que se envíe el código de nuevo.',
  resent: 'El código está de nuevo en camino.',
  retryWait: 'Espere {time} hasta el próximo intento.',
  retryNow: 'Ya puede intentarlo de nuevo.',
  cannotResend: 'No se puede enviar el código de nuevo.',
  locked: 'Hubo demasiados intentos.',
  others: 'Otras formas de confirmar',
  useCode: 'Enviarme un código',
  useTotp: 'Aplicación de autenticación',
  usePasskey: 'Llave de acceso',
  useRecovery: 'Código de recuperación',
  useDevice: 'Este dispositivo',
  confirmed: 'Confirmado.',
  busy: 'Un momento …',
  required: 'Confirme primero.',
  empty: 'Introduzca el código.',
  problems: {
    'already-used': 'Esto ya se confirmó y se usó.',
    'attempts-exhausted': 'Se introdujeron demasiados códigos incorrectos.',
    cancelled: 'Esto se canceló.',
    'code-mismatch': (attempts) => `El código es incorrecto. ${attemptsLeft(attempts)}.`,
    expired: 'El código ha caducado.',
    'invalid-request': 'Esto no es un código. Compruébelo de nuevo.',
    'method-not-allowed': 'Esta forma no es posible aquí.',
    'no-method': 'No ha configurado ninguna forma de confirmar esto.',
    'no-recipient': 'No tenemos una dirección ni un número suyo para enviarle un código.',
    'no-subject': 'Inicie sesión primero.',
    'not-found': 'Esto ya no se puede confirmar.',
    'passkey-unanswered': 'No se usó ninguna llave de acceso.',
    'recipient-not-allowed': 'No se puede enviar un código ahí.',
    'sender-removed': 'No se puede enviar el código de nuevo.',
    'send-failed': 'No se pudo enviar el código.',
    'temporarily-unavailable':
      'Esto no funciona en este momento. Inténtelo de nuevo dentro de un momento.',
    'too-many-requests': 'Hubo demasiados intentos. Espere {time}.',
    'unknown-secret': 'Esto ya no se puede confirmar.',
    unreachable: 'No hay conexión. Inténtelo de nuevo.',
  },
  problem: 'Esto no funciona en este momento.',
};
