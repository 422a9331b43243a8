// A customer's orders: the list, and the page of an order.

import { get, list, patch } from './api.js';
import { chosenWords } from './choices.js';
import { h, show } from './dom.js';
import { clock, money, timed, word } from './format.js';
import { join } from './live.js';
import { attempt, complain } from './notice.js';
import { plan } from './plan.js';
import { askReason } from './reason.js';
import { closed, nextSteps, OPEN } from './status.js';

const WATCHED = 10;
/** How often the driver's location is read while the order is on its way, in milliseconds. */
const LOCATION_INTERVAL = 10000;

/** Shows the list, or one order; resolves to the function that closes it. */
export async function open(main, { id }) {
  return id ? openOne(main, id) : openList(main);
}

/** Joins the room of an order; a change calls `changed(order, delivery)`. */
function follow(id, changed, fresh = () => {}) {
  return join(`order:${id}`, {
    event: (_, event) => changed(event.order, event.delivery),
    fresh,
    refuse: (error) => complain({ ...error, message: error.detail ?? error.title }),
  });
}

async function openList(main) {
  const [orders, restaurants] = await Promise.all([list('/api/orders', {}, 100), list('/api/restaurants', {}, 1000).catch(() => [])]);
  const names = new Map(restaurants.map(({ id, name }) => [id, name]));
  const entries = new Map(orders.map((order) => [order.id, h('li', {})]));
  const draw = (order) => show(entries.get(order.id), entry(order, names.get(order.restaurantId)));
  orders.forEach(draw);
  show(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'My orders')),
    h('ul', { class: 'cards' }, [...entries.values()]),
    !orders.length && h('p', { class: 'empty' }, 'No orders yet. ', h('a', { href: '#/restaurants' }, 'Choose a restaurant'), '.'));
  const versions = new Map(orders.map(({ id, version }) => [id, version]));
  const leaves = orders.filter((order) => !closed(order)).slice(0, WATCHED).map((order) => follow(order.id, (changed) => {
    if (!changed || versions.get(changed.id) >= changed.version) return;
    versions.set(changed.id, changed.version);
    draw(changed);
  }));
  return () => leaves.forEach((leave) => leave());
}

function entry(order, restaurant) {
  const dishes = order.items.map((item) => `${item.quantity}× ${item.name}`).join(', ');
  return h('a', { class: 'card shopcard', href: `#/orders/${order.id}` },
    h('span', { class: 'line' }, h('b', {}, restaurant ?? `Order #${order.number}`),
      h('span', { class: 'tag', 'data-status': order.status }, stateWords(order))),
    h('span', { class: 'hint' }, dishes),
    h('span', { class: 'hint' }, `#${order.number} · ${clock(order.placedAt)} · ${money(order.totals.total)}`));
}

/** The label of a status for customers. */
function stateWords(order) {
  return order.status === 'PENDING' ? 'Waiting for the restaurant' : word(order.status);
}

async function openOne(main, id) {
  let order = await get(`/api/orders/${id}`);
  let delivery = null;
  let gone = false;
  const restaurant = await get(`/api/restaurants/${order.restaurantId}`).catch(() => null);
  const state = h('div', { 'aria-live': 'polite' });
  const actions = h('div', { class: 'steps' });
  const driver = h('div', {});
  const map = h('div', {});
  const history = h('ol', { class: 'history' });
  show(main, h('p', { class: 'back' }, h('a', { href: '#/orders' }, '← My orders')),
    h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, restaurant?.name ?? 'Order'), h('span', { class: 'where' }, `#${order.number}`)),
    h('div', { class: 'two' },
      h('section', { class: 'card' }, state, driver, map, actions, h('h3', {}, 'History'), history),
      h('section', { class: 'card' }, h('h2', {}, 'Order'), slip(order))));

  async function drawHistory() {
    const events = await list(`/api/orders/${id}/events`, {}, 200).catch(() => []);
    show(history, events.map((event) => h('li', {}, h('time', { datetime: event.at }, clock(event.at)), ' ', eventWords(event))));
  }
  function draw() {
    show(state, progress(order));
    show(actions, nextSteps(order, 'customer').map(() => h('button', { type: 'button', class: 'danger', onclick: () => cancel(order, take) }, 'Cancel the order…')));
    show(driver, delivery && !closed(order) && driverOf(delivery));
    drawMap();
    drawHistory();
  }
  // Events contain no location of the driver: it is polled while it is shown, and drawn separately.
  function drawMap() {
    show(map, delivery?.status === 'PICKED_UP' && !closed(order) && mapOf(delivery));
  }
  async function readLocation() {
    if (delivery?.status !== 'PICKED_UP' || document.visibilityState !== 'visible') return;
    const current = await get(`/api/deliveries/${delivery.id}`).catch(() => null);
    if (gone || !current || current.version < delivery.version) return;
    const moved = current.version > delivery.version;
    delivery = current;
    if (moved) draw();
    else drawMap();
  }
  function take(changed, moved) {
    if (gone) return;
    const newer = changed && changed.version > order.version;
    if (newer) order = changed;
    if (moved && !(delivery && delivery.id === moved.id && delivery.version >= moved.version)) delivery = moved;
    else if (!newer) return;
    draw();
    if (!delivery?.driver?.place) readLocation();
  }
  async function read() {
    const [current, deliveries] = await Promise.all([get(`/api/orders/${id}`),
      order.fulfilment === 'DELIVERY' ? list('/api/deliveries', { orderId: id }, 10).catch(() => []) : []]);
    take(current, deliveries.at(-1));
  }
  draw();
  const leave = follow(id, take, () => read().catch(complain));
  const timer = setInterval(readLocation, LOCATION_INTERVAL);
  document.addEventListener('visibilitychange', readLocation);
  return () => {
    gone = true;
    clearInterval(timer);
    document.removeEventListener('visibilitychange', readLocation);
    leave();
  };
}

function progress(order) {
  const path = [...OPEN.filter((status) => status !== 'ON_THE_WAY' || order.fulfilment === 'DELIVERY'), 'DELIVERED'];
  const reached = path.indexOf(order.status);
  const due = order.promisedAt && !closed(order);
  return [
    h('p', { class: 'state', 'data-status': order.status }, stateWords(order)),
    due && h('p', {}, `For ${clock(order.promisedAt)}, `, timed(h('time', { class: 'due' }), 'due', order.promisedAt)),
    order.status === 'PENDING' && order.acceptBy && h('p', { class: 'hint' }, `The restaurant has until ${clock(order.acceptBy)} to accept the order.`),
    order.cancelReason && h('p', {}, `Reason: ${order.cancelReason}`),
    order.status !== 'CANCELLED' && h('ol', { class: 'path' }, path.map((status, at) => h('li', {
      class: at < reached ? 'past' : '', 'aria-current': at === reached && 'step',
    }, status === 'PENDING' ? 'Placed' : status === 'DELIVERED' && order.fulfilment !== 'DELIVERY' ? 'Handed over' : word(status)))),
  ];
}

function driverOf(delivery) {
  return h('p', {}, delivery.driver ? [h('b', {}, delivery.driver.name), `, ${word(delivery.driver.vehicle).toLowerCase()} · `] : '',
    word(delivery.status));
}

function mapOf(delivery) {
  const from = delivery.driver?.place;
  if (!from || !delivery.dropoff.place) return null;
  return h('div', { class: 'drawing small' }, plan([
    { place: delivery.pickup.place, label: delivery.pickup.name, kind: 'shop' },
    { place: delivery.dropoff.place, label: 'You', kind: 'home' },
    { place: from, label: delivery.driver.name, kind: 'pin' }]));
}

function slip(order) {
  const { totals } = order;
  const row = (name, value) => value?.amount > 0 && [h('dt', {}, name), h('dd', {}, money(value))];
  return [
    h('ul', { class: 'dishes' }, order.items.map((item) => h('li', {}, h('b', { class: 'count' }, `${item.quantity}×`),
      h('span', {}, item.name, chosenWords(item.modifiers).map((choice) => h('span', { class: 'chosen' }, choice)),
        item.note && h('em', {}, item.note)), h('span', { class: 'price' }, money(item.total))))),
    h('dl', { class: 'sums' }, row('Items', totals.items), row('Tax', totals.tax), row('Delivery', totals.deliveryFee),
      row('Service', totals.serviceFee), row('Tip', totals.tip),
      totals.discount?.amount > 0 && [h('dt', {}, 'Discount'), h('dd', {}, `−${money(totals.discount)}`)],
      h('dt', { class: 'total' }, 'Total'), h('dd', { class: 'total' }, money(totals.total)),
      totals.includedTax?.amount > 0 && totals.taxes.map((at) => row(`of which ${at.basisPoints / 100} % tax`, at.tax))),
    h('p', { class: 'hint' }, [word(order.fulfilment), order.address, order.table && `Table ${order.table}`, order.note].filter(Boolean).join(' · ')),
  ];
}

function eventWords(event) {
  if (event.name === 'order:new') return 'Order placed';
  if (event.name === 'order:promise-changed') return 'Promised time changed';
  const status = event.event.order?.status ?? event.event.delivery?.status;
  return status ? word(status) : event.name;
}

function cancel(order, take) {
  askReason({
    title: `Cancel order #${order.number}`,
    action: 'Cancel the order',
    hint: 'The restaurant can read it.',
    send: async (button, reason) => {
      const body = { status: 'CANCELLED', ...(reason && { reason }) };
      const changed = await attempt(button, () => patch(`/api/orders/${order.id}/status`, body));
      if (changed) take(changed);
      return changed;
    },
  });
}
