import type { LanguageTexts } from './language-texts.js';
import { plural } from './plural.js';

const attemptsLeft = (attempts: number): string =>
  plural('pt-PT', attempts, {
    one: 'Resta {attempts} tentativa',
    other: 'Restam {attempts} tentativas',
  });

/** The texts in Portuguese, as in Portugal. */
export const PORTUGUESE: LanguageTexts = {
  start: 'Continuar',
  restart: 'Começar de novo',
  sent: 'Enviámos um código para {recipient}.',
  queued: 'Estamos a enviar um código para {recipient}.',
  delayed: 'A mensagem está a demorar mais do que o habitual. Continuamos a tentar.',
  code: 'Código',
  totp: 'Código da sua aplicação de autenticação',
  recovery: 'Código de recuperação',
  totpHint: 'Abra a sua aplicação de autenticação e escreva o código que ela mostra.',
  recoveryHint: 'Escreva um dos códigos que guardou. Cada um serve uma única vez.',
  passkeyHint:
    'Confirme com a sua chave de acesso: impressão digital, rosto ou bloqueio do dispositivo.',
  confirm: 'Confirmar',
  passkey: 'Usar chave de acesso',
  passkeyRefused: (attempts) => `A chave de acesso foi recusada. ${attemptsLeft(attempts)}.`,
  attempts: attemptsLeft,
  valid: 'Válido durante {time}',
  validOneMinute: 'Válido por mais um minuto.',
  resend: 'Enviar o código de novo',
  resendIn: 'Enviar o código de novo em {time}',
  resendWait: (seconds) =>
    plural('pt-PT', seconds, {
      one: 'Aguarde {seconds} segundo até à próxima mensagem.',
      other: 'Aguarde {seconds} segundos até à próxima mensagem.',
    }),
  resendNow: 'Já pode pedir que o código seja enviado de novo.',
  resent: 'O código está de novo a caminho.',
  retryWait: 'Aguarde {time} até à próxima tentativa.',
  retryNow: 'Já pode tentar de novo.',
  cannotResend: 'O código não pode ser enviado de novo.',
  locked: 'Houve demasiadas tentativas.',
  others: 'Outras formas de confirmar',
  useCode: 'Enviar-me um código',
  useTotp: 'Aplicação de autenticação',
  usePasskey: 'Chave de acesso',
  useRecovery: 'Código de recuperação',
  useDevice: 'Este dispositivo',
  confirmed: 'Confirmado.',
  busy: 'Um momento …',
  required: 'Confirme primeiro.',
  empty: 'Escreva o código.',
  problems: {
    'already-used': 'Isto já foi confirmado e usado.',
    'attempts-exhausted': 'Houve demasiados códigos errados.',
    cancelled: 'Isto foi cancelado.',
    'code-mismatch': (attempts) => `O código está errado. ${attemptsLeft(attempts)}.`,
    expired: 'O código expirou.',
    'invalid-request': 'Isto não é um código. Verifique-o de novo.',
    'method-not-allowed': 'Esta forma não é possível aqui.',
    'no-method': 'Não configurou nenhuma forma de confirmar isto.',
    'no-recipient': 'Não temos um endereço nem um número seu para enviar um código.',
    'no-subject': 'Inicie sessão primeiro.',
    'not-found': 'Isto já não pode ser confirmado.',
    'passkey-unanswered': 'Não foi usada nenhuma chave de acesso.',
    'recipient-not-allowed': 'Não é possível enviar um código para aí.',
    'sender-removed': 'O código não pode ser enviado de novo.',
    'send-failed': 'Não foi possível enviar o código.',
    'temporarily-unavailable':
      'Isto não funciona neste momento. Tente de novo dentro de instantes.',
    'too-many-requests': 'Houve demasiadas tentativas. Aguarde {time}.',
    'unknown-secret': 'Isto já não pode ser confirmado.',
    unreachable: 'Não há ligação. Tente de novo.',
  },
  problem: 'Isto não funciona neste momento.',
};
