import { byId, call, element, say } from './api.js';

const WAYS = { email: 'E-mail', sms: 'Text message' };
const STATUS = { waiting: 'Waiting', sent: 'Sent', failed: 'Given up', dropped: 'Not needed' };
const REASONS = {
  expired: 'its code would expire too soon',
  'recipient-not-allowed': 'this recipient cannot be reached',
  'send-failed': 'no provider accepted it',
  'too-many-requests': 'there were too many messages',
  confirmed: 'it was confirmed before',
  cancelled: 'it was cancelled',
  locked: 'its attempts are used up',
  superseded: 'a newer message took its place',
};

let shown = '';

const timeOf = (text) => new Date(text).toLocaleTimeString();

function gatewaySwitch({ name, isFailing }) {
  const label = element('label', '', 'check');
  const box = document.createElement('input');
  Object.assign(box, { type: 'checkbox', checked: !isFailing, id: `gateway-${name}` });
  label.append(box, ` Gateway ${name} is switched on`);
  box.addEventListener('change', () => {
    const switched = call('PUT', `/deliveries/gateways/${name}`, { isFailing: !box.checked });
    // The next look at the server puts a switch right that was refused.
    void switched.then(refresh, (error) => say(error.message, true));
  });
  return label;
}

function deliveryItem({ purpose, way, to, status, reason, tries, nextTryAt }) {
  const item = document.createElement('li');
  item.dataset.status = status;
  const why = REASONS[reason] ?? reason;
  const next =
    status === 'waiting' && nextTryAt !== null ? `, next try at ${timeOf(nextTryAt)}` : '';
  const name = [WAYS[way] ?? way, to && `to ${to}`].filter(Boolean).join(' ');
  item.append(
    element('h3', name),
    element('p', [`${STATUS[status]}${next}`, why, purpose].filter(Boolean).join(' · '), 'hint'),
  );
  if (tries.length > 0) {
    const list = document.createElement('ul');
    list.append(
      ...tries.map(({ at, by, isAccepted }) =>
        element(
          'li',
          `${timeOf(at)}: ${by === '' ? 'the provider' : `gateway ${by}`} ${isAccepted ? 'accepted it' : 'failed'}`,
        ),
      ),
    );
    item.append(list);
  }
  return item;
}

async function refresh() {
  try {
    const { gateways, deliveries } = await call('GET', '/deliveries/list');
    const state = JSON.stringify([gateways, deliveries]);
    if (state === shown) return;
    shown = state;
    byId('gateways-area').hidden = gateways.length === 0;
    for (const gateway of gateways) {
      // A switch that has the focus stays.
      const known = byId(`gateway-${gateway.name}`);
      if (known === null) byId('gateways').append(gatewaySwitch(gateway));
      else known.checked = !gateway.isFailing;
    }
    byId('deliveries').replaceChildren(...deliveries.map(deliveryItem));
    say(deliveries.length === 0 ? 'Nothing here yet.' : `Messages: ${deliveries.length}`);
  } catch (error) {
    shown = '';
    say(error.message, true);
  }
}

await refresh();
setInterval(() => void refresh(), 1_000);
