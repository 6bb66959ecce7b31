import type { MessageTexts } from '../message.interface.js';

export const UKRAINIAN: MessageTexts = {
  subject: 'Ваш код {product}',
  heading: 'Ваш код {product} {purpose}:',
  approval: 'Введіть цей код, лише якщо хочете підтвердити:',
  validity: 'Строк дії: {lifetime}.',
  advice: 'Нікому його не кажіть. Ми ніколи його не запитуємо.',
  sms: '{code} — ваш код {product} {purpose}. {approval} Строк дії: {lifetime}. Нікому його не кажіть.',
  smsApproval: 'Щоб підтвердити: "{details}".',
  purposes: {
    login: 'для входу',
    'sign-in': 'для входу',
    'sign-up': 'для реєстрації',
    'change-email': 'для зміни адреси пошти',
    'change-phone': 'для зміни номера телефону',
    'change-password': 'для зміни пароля',
    'reset-password': 'для відновлення пароля',
    payment: 'для підтвердження платежу',
    transfer: 'для підтвердження переказу',
  },
};
