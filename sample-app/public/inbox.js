import { messageItem, watchMessages } from './messages.js';

const list = document.getElementById('messages');
const status = document.getElementById('status');

watchMessages((messages) => {
  status.classList.toggle('refused', messages === null);
  if (messages === null) {
    status.textContent = 'The server does not answer.';
    return;
  }
  list.replaceChildren(...messages.map((message) => messageItem(message, 'h2')));
  status.textContent = messages.length === 0 ? 'Nothing here yet.' : `Messages: ${messages.length}`;
});
