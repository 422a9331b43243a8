// An order on the board: its items, when it is due, and the buttons of its next steps.

import { patch, post } from './api.js';
import { chosenWords } from './choices.js';
import { checkbox, h } from './dom.js';
import { clock, money, timed, word } from './format.js';
import { attempt } from './notice.js';
import { askReason } from './reason.js';
import { beforePickup, closed, nextSteps } from './status.js';

/**
 * The element of an order. `board` has `changed(order)`, `assigned(delivery)`, `stale(order)`, `staleDelivery(order)` and
 * `seen(order)`.
 */
export function ticket(order, delivery, isNew, board) {
  const slip = h('article', {
    class: `ticket${isNew ? ' new' : ''}`, 'aria-label': `Order ${order.number}`,
    onpointerdown: () => board.seen(order), onfocusin: () => board.seen(order),
  }, head(order, isNew), lines(order), where(order), driverOf(order, delivery, board));
  const steps = nextSteps(order, 'staff')
    // The server refuses to deliver an order whose delivery failed.
    .filter((step) => delivery?.status !== 'FAILED' || step.to === 'CANCELLED');
  if (steps.length) slip.append(h('div', { class: 'steps' }, steps.map((step, at) => stepButton(order, step, at === 0, board))));
  return slip;
}

function head(order, isNew) {
  return h('header', {},
    h('div', { class: 'line' },
      h('strong', { class: 'number' }, `#${order.number}`),
      h('span', { class: 'tag' }, word(order.fulfilment)),
      isNew && h('span', { class: 'tag fresh' }, 'New')),
    h('div', { class: 'line' }, standing(order), h('span', { class: 'placed' },
      closed(order) ? money(order.totals?.total) : ['placed ', timed(h('time', {}), 'since', order.placedAt)])));
}

function standing(order) {
  if (closed(order)) {
    const at = order.closedAt ? ` ${clock(order.closedAt)}` : '';
    return h('span', { class: order.status === 'CANCELLED' ? 'due cancelled' : 'due' }, word(order.status), at);
  }
  if (order.status === 'PENDING' && order.acceptBy) return timed(h('time', { class: 'due' }), 'accept', order.acceptBy);
  if (order.promisedAt) return timed(h('time', { class: 'due', title: `promised for ${clock(order.promisedAt)}` }), 'due', order.promisedAt);
  return h('span', { class: 'due' }, word(order.status));
}

function lines(order) {
  return [
    h('ul', { class: 'dishes' }, order.items.map((item) =>
      h('li', {}, h('b', { class: 'count' }, `${item.quantity}×`), h('span', {}, item.name,
        chosenWords(item.modifiers).map((choice) => h('span', { class: 'chosen' }, choice)), item.note && h('em', {}, item.note))))),
    order.note && h('p', { class: 'order-note' }, order.note),
    order.cancelReason && h('p', { class: 'order-note' }, `Reason: ${order.cancelReason}`),
  ];
}

function where(order) {
  if (order.fulfilment === 'DINE_IN') return order.table && h('p', { class: 'to' }, `Table ${order.table}`);
  return order.fulfilment === 'DELIVERY' && order.address && h('p', { class: 'to' }, order.address);
}

function driverOf(order, delivery, board) {
  if (order.fulfilment !== 'DELIVERY' || closed(order) || order.status === 'PENDING' || !delivery) return null;
  const text = delivery.driver
    ? [h('b', {}, delivery.driver.name), `, ${word(delivery.driver.vehicle).toLowerCase()} · ${word(delivery.status)}`]
    : word(delivery.status);
  return h('div', { class: 'driver', title: delivery.assignedBecause }, h('p', {}, text),
    delivery.reason && h('p', { class: 'order-note' }, `${delivery.status === 'FAILED' ? 'Failed' : 'Handed back'}: ${delivery.reason}`),
    delivery.status === 'WAITING' && h('button', {
      type: 'button',
      onclick: (event) => attempt(event.target, async () => board.assigned(await post(`/api/deliveries/${delivery.id}/assign`, {}))),
    }, 'Assign the nearest driver'),
    beforePickup(delivery) && h('button', { type: 'button', onclick: () => takeBack(order, delivery, board) }, 'Take back from the driver…'));
}

function takeBack(order, delivery, board) {
  askReason({
    title: `Take back the delivery of order #${order.number}`,
    action: 'Take it back',
    hint: `${delivery.driver?.name ?? 'The driver'} loses the delivery; it waits for a driver again.`,
    suggestions: ['The driver does not come', 'Another driver is closer'],
    send: async (button, reason) => {
      const changed = await attempt(button,
        () => patch(`/api/deliveries/${delivery.id}/status`, { status: 'WAITING', ...(reason && { reason }) }),
        () => board.staleDelivery(order));
      if (changed) board.assigned(changed);
      return changed;
    },
  });
}

function stepButton(order, step, first, board) {
  const cancels = step.to === 'CANCELLED';
  return h('button', {
    type: 'button', class: first && !cancels ? 'main' : cancels ? 'danger' : '',
    onclick: (event) => (cancels ? cancel(order, step, board) : advance(event.target, order, { status: step.to }, board)),
  }, step.label);
}

async function advance(button, order, body, board) {
  const headers = { 'If-Match': `"${order.version}"` };
  const changed = await attempt(button, () => patch(`/api/orders/${order.id}/status`, body, headers),
    // Somebody else changed it first: show the current state.
    (problem) => { if ([404, 409, 412].includes(problem.status)) board.stale(order); });
  if (changed) board.changed(changed);
  return changed;
}

const REASONS = ['Sold out', 'Kitchen too busy', 'Closing', 'The customer asked'];
const REASONS_UNDERWAY = ['Nobody at the door', 'Address not found', 'Food damaged', 'The customer asked'];

function cancel(order, step, board) {
  const verb = step.label.replace('…', '');
  const stock = step.choosesStock ? checkbox('Put the counted items back in stock') : null;
  askReason({
    title: `${verb} order #${order.number}`,
    action: `${verb} the order`,
    hint: 'The customer can read it.',
    required: step.reason,
    suggestions: order.status === 'ON_THE_WAY' ? REASONS_UNDERWAY : REASONS,
    extra: stock?.element,
    send: (button, reason) => advance(button, order,
      { status: 'CANCELLED', ...(reason && { reason }), ...(stock && { returnStock: stock.input.checked }) }, board),
  });
}
