import type { MessageTexts } from '../message.interface.js';

export const ENGLISH: MessageTexts = {
  subject: 'Your {product} code',
  heading: 'Your code {purpose}:',
  approval: 'Enter this code only if you want to approve this:',
  validity: 'The code is valid for {lifetime}.',
  advice: 'Do not share it with anyone. We will never ask for it by phone or message.',
  sms: '{code} is your {product} code {purpose}. It is valid for {lifetime}. Do not share it. {approval}',
  smsApproval: 'You approve: "{details}".',
  purposes: {
    login: 'to sign in',
    'sign-in': 'to sign in',
    'sign-up': 'to create your account',
    'change-email': 'to change your email address',
    'change-phone': 'to change your phone number',
    'change-password': 'to change your password',
    'reset-password': 'to reset your password',
    payment: 'to approve a payment',
    transfer: 'to approve a transfer',
  },
};
