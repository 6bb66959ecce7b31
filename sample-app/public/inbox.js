const list = document.getElementById('messages');
const status = document.getElementById('status');
const KINDS = { email: 'E-mail', sms: 'Text message' };
let shown = -1;

function element(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function show(message) {
  const item = document.createElement('li');
  item.dataset.to = message.to;
  const time = new Date(message.receivedAt).toLocaleTimeString();
  item.append(
    element('h2', `${KINDS[message.kind]} to ${message.to}`),
    element('p', [time, message.subject].filter(Boolean).join(' · '), 'hint'),
    element('pre', message.text),
  );
  return item;
}

async function refresh() {
  const response = await fetch('/inbox/messages').catch(() => undefined);
  if (!response?.ok) {
    status.textContent = 'The server does not answer.';
    shown = -1;
    return;
  }
  const messages = await response.json();
  const newest = messages[0]?.receivedAt ?? null;
  if (newest === shown) return;
  shown = newest;
  list.replaceChildren(...messages.map(show));
  status.textContent = messages.length === 0 ? 'Nothing here yet.' : `Messages: ${messages.length}`;
}

await refresh();
setInterval(() => void refresh(), 2_000);
