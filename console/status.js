// The transitions of the order status for which the console has buttons. The server decides whether they are allowed.

const STEPS = [
  { from: 'PENDING', to: 'CONFIRMED', who: ['staff'] },
  { from: 'PENDING', to: 'CANCELLED', who: ['customer', 'staff'] },
  { from: 'CONFIRMED', to: 'PREPARING', who: ['staff'] },
  { from: 'CONFIRMED', to: 'CANCELLED', who: ['customer', 'staff'] },
  { from: 'PREPARING', to: 'READY', who: ['staff'] },
  { from: 'PREPARING', to: 'ON_THE_WAY', who: ['driver', 'staff'], only: ['DELIVERY'] },
  { from: 'PREPARING', to: 'CANCELLED', who: ['staff'], reason: true, choosesStock: true },
  { from: 'READY', to: 'ON_THE_WAY', who: ['driver', 'staff'], only: ['DELIVERY'] },
  { from: 'READY', to: 'DELIVERED', who: ['staff'], only: ['PICKUP', 'DINE_IN'] },
  { from: 'READY', to: 'CANCELLED', who: ['staff'], reason: true, choosesStock: true },
  { from: 'ON_THE_WAY', to: 'DELIVERED', who: ['driver', 'staff'] },
  { from: 'ON_THE_WAY', to: 'CANCELLED', who: ['staff'], reason: true, choosesStock: true },
];

/** The statuses of an open order, in sequence. */
export const OPEN = ['PENDING', 'CONFIRMED', 'PREPARING', 'READY', 'ON_THE_WAY'];

/** Whether an order is delivered or cancelled. */
export const closed = (order) => !OPEN.includes(order.status);

/** The transitions of an order that `who` may make now, with the labels of their buttons. */
export function nextSteps(order, who) {
  return STEPS
    .filter((step) => step.from === order.status && step.who.includes(who))
    .filter((step) => !step.only || step.only.includes(order.fulfilment))
    .map((step) => ({ ...step, label: label(step, order) }));
}

function label(step, order) {
  if (step.to === 'CANCELLED') return step.from === 'PENDING' ? 'Refuse…' : 'Cancel…';
  if (step.to === 'DELIVERED') return order.fulfilment === 'DELIVERY' ? 'Delivered' : 'Handed over';
  return { CONFIRMED: 'Accept', PREPARING: 'Start cooking', READY: 'Ready', ON_THE_WAY: 'On the way' }[step.to];
}

/** Whether a delivery has a driver and is not picked up yet: it can be handed back. */
export const beforePickup = (delivery) => ['ASSIGNED', 'ARRIVED'].includes(delivery.status);

/** The next step of a delivery with the label of its driver's button; `undefined` when there is none. */
export function nextOfDelivery(delivery) {
  return {
    ASSIGNED: { to: 'ARRIVED', label: 'Arrived at the restaurant' },
    ARRIVED: { to: 'PICKED_UP', label: 'Picked up' },
    PICKED_UP: { to: 'DELIVERED', label: 'Delivered' },
  }[delivery.status];
}
