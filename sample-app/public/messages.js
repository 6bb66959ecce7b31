// The mail and the text messages that this development server has sent. On wide screens they stand beside the page, so that the
// customer sees a code arrive.

import { byId, element } from './api.js';

const KINDS = { email: 'E-mail', sms: 'Text message' };
const SHOWN = 4;
const EVERY_MS = 1_000;

export function messageItem({ kind, to, receivedAt, subject, text }, heading) {
  const item = document.createElement('li');
  item.dataset.to = to;
  const time = new Date(receivedAt).toLocaleTimeString();
  item.append(
    element(heading, `${KINDS[kind]} to ${to}`),
    element('p', [time, subject].filter(Boolean).join(' · '), 'hint'),
    element('pre', text),
  );
  return item;
}

/** Calls `show` with the messages, newest first, whenever there are others, and with `null` while the server does not answer. */
export function watchMessages(show, isSeen = () => true) {
  let shown = -1;
  const refresh = async () => {
    if (!isSeen()) return;
    const response = await fetch('/inbox/messages').catch(() => undefined);
    const messages = response?.ok ? await response.json() : null;
    const newest = messages === null ? -1 : (messages[0]?.receivedAt ?? null);
    if (newest === shown && messages !== null) return;
    shown = newest;
    show(messages);
  };
  void refresh();
  setInterval(() => void refresh(), EVERY_MS);
}

export function showMessages() {
  const aside = byId('beside');
  aside.hidden = false;
  const list = (messages, kind, name) => {
    const of = messages.filter((message) => message.kind === kind).slice(0, SHOWN);
    byId(name).replaceChildren(...of.map((message) => messageItem(message, 'h3')));
    byId(`no-${name}`).hidden = of.length > 0;
  };
  watchMessages(
    (messages) => {
      if (messages === null) return;
      list(messages, 'email', 'mails');
      list(messages, 'sms', 'texts');
    },
    () => !document.hidden && aside.checkVisibility(),
  );
}
