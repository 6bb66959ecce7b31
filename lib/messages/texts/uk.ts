import type { MessageTexts } from '../message.interface.js';

export const UKRAINIAN: MessageTexts = {
  subject: 'Ваш код',
  heading: 'Ваш код {purpose}:',
  approval: 'Введіть цей код, лише якщо хочете це підтвердити:',
  validity: 'Строк дії коду: {lifetime}.',
  advice: 'Нікому не кажіть цей код. Ми ніколи не питаємо його телефоном чи в повідомленнях.',
  sms: '{code} — ваш код {purpose}. Строк дії: {lifetime}. Нікому не кажіть код. {approval}',
  smsApproval: 'Ви підтверджуєте: "{details}".',
  purposes: {
    login: 'для входу',
    'sign-in': 'для входу',
    'sign-up': 'для реєстрації',
    'change-email': 'для зміни електронної пошти',
    'change-phone': 'для зміни номера телефону',
    'change-password': 'для зміни пароля',
    'reset-password': 'для відновлення пароля',
    payment: 'для підтвердження платежу',
    transfer: 'для підтвердження переказу',
  },
};
