// The order board of a restaurant: a column for each status, updated by events.

import { get, list } from './api.js';
import { h, show } from './dom.js';
import { word } from './format.js';
import { join, state } from './live.js';
import { complain } from './notice.js';
import { closed, OPEN } from './status.js';
import { ticket } from './ticket.js';
import { choose, heading, workplaces } from './workplaces.js';

const DONE_SHOWN = 20;

/** Shows the board; resolves to the function that closes it. */
export async function open(main, { me, id }) {
  const places = await workplaces(me);
  const chosen = choose(places, id);
  if (!chosen) {
    show(main, h('h1', { tabindex: '-1' }, 'Orders'), h('p', { class: 'empty' }, 'You are not a member of a restaurant.'));
    return () => {};
  }
  const board = new Board(chosen.id);
  show(main, heading('Orders', places, chosen, 'board'), board.element);
  return board.start();
}

class Board {
  #restaurant;
  #orders = new Map();
  #deliveries = new Map();
  #new = new Set();
  #slips = new Map();
  #columns = new Map();
  #touched = new Set();
  #stopped = false;

  constructor(restaurant) {
    this.#restaurant = restaurant;
    this.element = h('div', { class: 'board', tabindex: '0', role: 'group', 'aria-label': 'Order board' });
    for (const name of [...OPEN, 'DONE']) this.#addColumn(name);
  }

  #addColumn(name) {
    const count = h('span', { class: 'tally' }, '0');
    const slips = h('div', { class: 'slips' });
    const title = name === 'DONE' ? 'Done' : word(name);
    this.element.append(h('section', { class: 'column', 'data-status': name, 'aria-label': title },
      h('h2', {}, title, count), slips));
    this.#columns.set(name, { count, slips });
  }

  start() {
    const leave = join(`restaurant:${this.#restaurant}`, {
      event: (name, event) => this.#hear(name, event),
      fresh: () => this.#load(),
      refuse: (error) => complain({ ...error, message: error.detail ?? error.title }),
    });
    this.#load();
    // Without a live connection the board is reloaded at intervals.
    const timer = setInterval(() => { if (state() !== 'live') this.#load(true); }, 20000);
    return () => {
      this.#stopped = true;
      clearInterval(timer);
      leave();
      document.title = 'Comanda';
    };
  }

  async #load(quietly = false) {
    this.#touched.clear();
    const of = (status, max) => list('/api/orders', { restaurantId: this.#restaurant, status }, max);
    try {
      const [deliveries, ...pages] = await Promise.all([
        list('/api/deliveries', { restaurantId: this.#restaurant }, 200),
        ...OPEN.map((status) => of(status, 1000)), of('DELIVERED', DONE_SHOWN), of('CANCELLED', DONE_SHOWN)]);
      if (this.#stopped) return;
      deliveries.forEach((delivery) => this.#takeDelivery(delivery));
      const orders = pages.flat();
      const listed = new Set(orders.map((order) => order.id));
      for (const known of this.#orders.keys()) if (!listed.has(known) && !this.#touched.has(known)) this.#drop(known);
      orders.forEach((order) => this.#take(order));
      this.#settle();
    } catch (problem) {
      if (!quietly && !this.#stopped) complain(problem);
    }
  }

  async #hear(name, event) {
    if (event.delivery) this.#takeDelivery(event.delivery);
    if (!event.orderId || !name.startsWith('order:')) return;
    // A replay may contain orders that are closed already.
    if (name === 'order:new' && !this.#orders.has(event.orderId)) this.#new.add(event.orderId);
    const order = event.order ?? await this.#read(event.orderId);
    if (order && !this.#stopped) this.changed(order);
  }

  async #read(id) {
    try {
      return await get(`/api/orders/${id}`);
    } catch (problem) {
      complain(problem);
      return null;
    }
  }

  changed(order) {
    this.#touched.add(order.id);
    this.#take(order);
    this.#settle();
  }

  assigned(delivery) { this.#takeDelivery(delivery); }

  staleDelivery(order) { return this.#findDelivery(order); }

  async stale(order) {
    const current = await this.#read(order.id);
    if (current) this.changed(current);
  }

  seen(order) {
    if (!this.#new.delete(order.id)) return;
    this.#slips.get(order.id)?.classList.remove('new');
    this.#slips.get(order.id)?.querySelector('.fresh')?.remove();
  }

  /** Events may arrive twice and out of order with responses, so only a higher version is shown. */
  #take(order) {
    const known = this.#orders.get(order.id);
    if (known && known.version >= order.version) return;
    this.#orders.set(order.id, order);
    this.#draw(order);
    const wanted = order.fulfilment === 'DELIVERY' && !closed(order) && order.status !== 'PENDING';
    if (wanted && !this.#deliveries.has(order.id)) this.#findDelivery(order);
  }

  async #findDelivery(order) {
    const found = await list('/api/deliveries', { orderId: order.id }, 10).catch(() => []);
    found.forEach((delivery) => this.#takeDelivery(delivery));
  }

  #takeDelivery(delivery) {
    const known = this.#deliveries.get(delivery.orderId);
    if (known && (known.id === delivery.id ? known.version >= delivery.version : known.id > delivery.id)) return;
    this.#deliveries.set(delivery.orderId, delivery);
    const order = this.#orders.get(delivery.orderId);
    if (order) this.#draw(order);
  }

  #draw(order) {
    if (closed(order)) this.#new.delete(order.id);
    const old = this.#slips.get(order.id);
    const isFocused = old?.contains(document.activeElement);
    const slip = ticket(order, this.#deliveries.get(order.id), this.#new.has(order.id), this);
    this.#slips.set(order.id, slip);
    slip.dataset.sort = closed(order) ? order.closedAt ?? order.updatedAt : order.promisedAt ?? order.placedAt;
    const column = this.#columns.get(closed(order) ? 'DONE' : order.status).slips;
    const after = (other) => (closed(order) ? other.dataset.sort < slip.dataset.sort : other.dataset.sort > slip.dataset.sort);
    const next = [...column.children].find((other) => other !== old && after(other)) ?? null;
    old?.remove();
    column.insertBefore(slip, next);
    if (isFocused) slip.querySelector('button')?.focus({ preventScroll: true });
  }

  #drop(id) {
    this.#slips.get(id)?.remove();
    for (const kept of [this.#slips, this.#orders, this.#deliveries, this.#new]) kept.delete(id);
  }

  #settle() {
    const done = [...this.#orders.values()].filter(closed)
      .sort((a, b) => Date.parse(b.closedAt ?? b.updatedAt) - Date.parse(a.closedAt ?? a.updatedAt));
    done.slice(DONE_SHOWN).forEach((order) => this.#drop(order.id));
    for (const { count, slips } of this.#columns.values()) count.textContent = slips.children.length;
    const waiting = this.#columns.get('PENDING').slips.children.length;
    document.title = `${waiting ? `(${waiting}) ` : ''}Orders · Comanda`;
  }
}
