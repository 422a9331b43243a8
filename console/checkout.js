// Placing an order from the cart: fulfilment, address, and the idempotency key.

import { newKey, post } from './api.js';
import { field, h, show } from './dom.js';
import { minorUnits, money } from './format.js';
import { attempt, complain } from './notice.js';
import { placePicker } from './plan.js';

const WAYS = [['DELIVERY', 'Delivery'], ['PICKUP', 'Pickup'], ['DINE_IN', 'Dine-in']];

/** The form below the cart; `update(cart)` is called when the cart changes. */
export function checkout(restaurant) {
  let cart = null;
  let way = 'DELIVERY';
  let sent = { body: null, key: null };
  const { currency } = restaurant;
  const address = h('input', { autocomplete: 'street-address', maxlength: '300' });
  const table = h('input', { autocomplete: 'off', maxlength: '20' });
  const note = h('input', { autocomplete: 'off', maxlength: '300' });
  const tip = h('input', { inputmode: 'decimal', autocomplete: 'off', oninput: () => drawSums() });
  const picker = placePicker({ label: 'Delivery location', start: null, points: [{ place: restaurant.place, label: restaurant.name, kind: 'shop' }] });
  const toAddress = h('div', {}, field('Address', address), picker.element);
  const toTable = field('Table', table);
  const sums = h('dl', { class: 'sums' });
  const button = h('button', { class: 'main big' }, 'Place the order');
  const element = h('form', { class: 'checkout', novalidate: true, onsubmit: (event) => { event.preventDefault(); attempt(button, place); } },
    h('fieldset', { class: 'ways' }, h('legend', {}, 'Fulfilment'), WAYS.map(([value, label]) => h('label', { class: 'way' },
      h('input', { type: 'radio', name: 'way', value, checked: value === way, onchange: () => { way = value; draw(); } }), label))),
    toAddress, toTable, field('Note for the restaurant', note), field(`Tip (${currency})`, tip), sums, button);

  function draw() {
    toAddress.hidden = way !== 'DELIVERY';
    toTable.hidden = way !== 'DINE_IN';
    drawSums();
  }

  function drawSums() {
    const items = cart?.data?.itemsTotal;
    const tipped = tip.value.trim() ? minorUnits(tip.value, currency) : 0;
    tip.setAttribute('aria-invalid', String(tipped === null));
    const row = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
    show(sums,
      items && row('Items', money(items)),
      way === 'DELIVERY' && restaurant.deliveryFee?.amount > 0 && row('Delivery', money(restaurant.deliveryFee)),
      tipped > 0 && row('Tip', money({ amount: tipped, currency })),
      row('Tax', restaurant.pricesIncludeTax ? 'included in the prices' : 'added when the order is placed'));
    button.textContent = 'Place the order';
  }

  function requestBody() {
    const body = { cartId: cart.data.id, fulfilment: way };
    if (way === 'DELIVERY') {
      const to = picker.get();
      if (address.value.trim()) body.address = address.value.trim();
      if (to) body.place = to;
    }
    if (way === 'DINE_IN' && table.value.trim()) body.table = table.value.trim();
    if (note.value.trim()) body.note = note.value.trim();
    const amount = tip.value.trim() ? minorUnits(tip.value, currency) : 0;
    if (amount > 0) body.tip = { amount, currency };
    return body;
  }

  async function place() {
    if (tip.getAttribute('aria-invalid') === 'true') { complain({ message: `The tip is not an amount in ${currency}.` }); return; }
    await cart.settled();
    if (!cart.lines.length) return;
    const body = requestBody();
    const text = JSON.stringify({ ...body, cart: cart.data.version });
    // The same request keeps its key, so that a repetition after a lost response does not place a second order.
    if (sent.body !== text) sent = { body: text, key: newKey() };
    try {
      const order = await post('/api/orders', body, { 'Idempotency-Key': sent.key });
      location.hash = `#/orders/${order.id}`;
    } catch (problem) {
      // An error response is final for its key; only a request without a response may be repeated with it.
      if (problem.status >= 400 && problem.status < 500 && problem.status !== 409 && problem.status !== 429) sent = { body: null, key: null };
      throw problem;
    }
  }

  draw();
  return {
    element,
    update(current) {
      cart = current;
      element.hidden = cart.lines.length === 0;
      drawSums();
    },
  };
}
