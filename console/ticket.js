// One order as a slip of paper: what to make, for when, and the buttons of its next steps.

import { patch, post } from './api.js';
import { dialog, field, h } from './dom.js';
import { clock, money, timed, word } from './format.js';
import { attempt, complain } from './notice.js';
import { closed, nextSteps } from './status.js';

/**
 * The slip of an order. `board` gives `changed(order)`, `assigned(delivery)`, `stale(order)` and `seen(order)`.
 */
export function ticket(order, delivery, isNew, board) {
  const slip = h('article', {
    class: `ticket${isNew ? ' new' : ''}`, 'aria-label': `Order ${order.number}`,
    onpointerdown: () => board.seen(order), onfocusin: () => board.seen(order),
  }, head(order, isNew), lines(order), where(order), driverOf(order, delivery, board));
  const steps = nextSteps(order, 'staff');
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
      h('li', {}, h('b', { class: 'count' }, `${item.quantity}×`), h('span', {}, item.name, item.note && h('em', {}, item.note))))),
    order.note && h('p', { class: 'wish' }, order.note),
    order.cancelReason && h('p', { class: 'wish' }, `Reason: ${order.cancelReason}`),
  ];
}

function where(order) {
  if (order.fulfilment === 'DINE_IN') return order.table && h('p', { class: 'to' }, `Table ${order.table}`);
  return order.fulfilment === 'DELIVERY' && order.address && h('p', { class: 'to' }, order.address);
}

function driverOf(order, delivery, board) {
  if (order.fulfilment !== 'DELIVERY' || closed(order) || order.status === 'PENDING' || !delivery) return null;
  const said = delivery.driver
    ? [h('b', {}, delivery.driver.name), `, ${word(delivery.driver.vehicle).toLowerCase()} · ${word(delivery.status)}`]
    : word(delivery.status);
  const assign = delivery.status === 'WAITING' && h('button', {
    type: 'button',
    onclick: (event) => attempt(event.target, async () => board.assigned(await post(`/api/deliveries/${delivery.id}/assign`, {}))),
  }, 'Nearest driver');
  return h('div', { class: 'driver', title: delivery.assignedBecause }, h('p', {}, said), assign);
}

function stepButton(order, step, first, board) {
  const cancels = step.to === 'CANCELLED';
  return h('button', {
    type: 'button', class: first ? 'main' : cancels ? 'danger' : '',
    onclick: (event) => (cancels ? askReason(order, step, board) : advance(event.target, order, step.to, undefined, board)),
  }, step.label);
}

async function advance(button, order, status, reason, board) {
  const known = { 'If-Match': `"${order.version}"` };
  const changed = await attempt(button,
    () => patch(`/api/orders/${order.id}/status`, { status, ...(reason && { reason }) }, known),
    // Somebody else was faster: show where the order stands.
    (problem) => { if ([404, 409, 412].includes(problem.status)) board.stale(order); });
  if (changed) board.changed(changed);
  return changed;
}

const REASONS = ['Sold out', 'Kitchen too busy', 'Closing', 'The customer asked'];
const REASONS_UNDERWAY = ['Nobody at the door', 'Address not found', 'Food damaged', 'The customer asked'];

function askReason(order, step, board) {
  const text = h('input', { name: 'reason', maxlength: '200', autocomplete: 'off', required: step.reason });
  const choices = (order.status === 'ON_THE_WAY' ? REASONS_UNDERWAY : REASONS).map((reason) =>
    h('button', { type: 'button', onclick: () => { text.value = reason; text.focus(); } }, reason));
  const send = h('button', { class: 'danger' }, step.label.replace('…', ' the order'));
  const submit = async (event) => {
    event.preventDefault();
    const reason = text.value.trim();
    if (step.reason && !reason) { complain({ message: 'A reason is required.' }); return; }
    const changed = await advance(send, order, 'CANCELLED', reason, board);
    if (changed) box.close();
  };
  const box = dialog(`${step.label.replace('…', '')} order #${order.number}`,
    h('form', { onsubmit: submit },
      h('div', { class: 'choices' }, choices),
      field('Reason', text, { hint: step.reason ? 'Required. The customer reads it.' : 'The customer reads it.' }),
      h('div', { class: 'steps' }, send, h('button', { type: 'button', onclick: () => box.close() }, 'Back'))));
}
