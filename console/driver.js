// The driver's page: online or not, from where, and the delivery in hand with its next step.

import { get, list, patch, post, put } from './api.js';
import { dialog, field, h, show } from './dom.js';
import { timed, word } from './format.js';
import { join } from './live.js';
import { attempt, complain, tell } from './notice.js';
import { distance, placePicker, plan } from './plan.js';
import { nextOfDelivery } from './status.js';

const IN_HAND = ['OFFERED', 'ASSIGNED', 'ARRIVED', 'PICKED_UP'];
const TELL_EVERY = 10000;

/** Shows the page; resolves to the function that takes it down. */
export async function open(main, { me }) {
  const page = new DriverPage(me.driver, await list('/api/restaurants', {}, 60).catch(() => []));
  show(main, page.element);
  await page.load();
  return page.start();
}

class DriverPage {
  #driver;
  #deliveries = new Map();
  #picker;
  #status = h('span', { class: 'tag' });
  #tasks = h('div', { class: 'tasks' });
  #buttons = h('div', { class: 'steps' });
  #following = null;
  #told = 0;
  #restaurants;

  constructor(driver, restaurants) {
    this.#driver = driver;
    this.#restaurants = restaurants;
    this.#picker = placePicker({
      label: 'My place', start: driver.place,
      points: restaurants.map(({ name, place }) => ({ place, label: name, kind: 'shop', quiet: restaurants.length > 12 })),
    });
    this.element = h('div', { class: 'driverpage' },
      h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, driver.name), h('span', { class: 'where' }, word(driver.vehicle)), this.#status),
      this.#tasks,
      h('section', { class: 'card' }, h('h2', {}, 'Availability'), this.#buttons, this.#nearest(), this.#picker.element, this.#follow()));
    this.#drawAvailability();
  }

  start() {
    const leave = join(`driver:${this.#driver.id}`, {
      event: (_, event) => { if (event.delivery) this.#take(event.delivery); this.#readDriver(); },
      fresh: () => this.load(),
      refuse: (error) => complain({ ...error, message: error.detail ?? error.title }),
    });
    return () => { leave(); this.#stopFollowing(); };
  }

  async load() {
    try {
      const mine = await list('/api/deliveries', {}, 50);
      this.#deliveries.clear();
      mine.forEach((delivery) => this.#deliveries.set(delivery.id, delivery));
      this.#drawTasks();
      await this.#readDriver();
    } catch (problem) {
      complain(problem);
    }
  }

  async #readDriver() {
    const me = await get('/api/me').catch(() => null);
    if (me?.driver) this.#driver = me.driver;
    this.#drawAvailability();
  }

  #take(delivery) {
    const known = this.#deliveries.get(delivery.id);
    if (known && known.version >= delivery.version) return;
    this.#deliveries.set(delivery.id, delivery);
    this.#drawTasks();
  }

  #drawTasks() {
    const mine = [...this.#deliveries.values()]
      .filter((delivery) => delivery.driver?.id === this.#driver.id && IN_HAND.includes(delivery.status));
    show(this.#tasks, mine.map((delivery) => this.#task(delivery)),
      !mine.length && h('p', { class: 'empty' }, 'No delivery in hand. New ones appear here by themselves.'));
  }

  #task(delivery) {
    const next = nextOfDelivery(delivery);
    const to = delivery.status === 'PICKED_UP' ? delivery.dropoff : delivery.pickup;
    const stop = (title, place, name, now) => h('div', { class: `stop${now ? ' now' : ''}` },
      h('h3', {}, title), name && h('p', {}, h('b', {}, name)), h('p', {}, place.address ?? ''),
      place.place && h('a', { href: `geo:${place.place.lat},${place.place.lng}` }, 'Open in maps'));
    return h('section', { class: 'card task', 'aria-label': `Delivery ${word(delivery.status)}` },
      h('div', { class: 'line' }, h('h2', {}, word(delivery.status)), timed(h('time', { class: 'hint' }), 'since', delivery.updatedAt)),
      h('div', { class: 'stops' }, stop('From', delivery.pickup, delivery.pickup.name, to === delivery.pickup),
        stop('To', delivery.dropoff, null, to === delivery.dropoff)),
      this.#drawing(delivery),
      delivery.assignedBecause && h('p', { class: 'hint' }, `Yours because: ${delivery.assignedBecause}`),
      h('div', { class: 'steps' },
        next && h('button', { type: 'button', class: 'main big', onclick: (event) => this.#advance(event.target, delivery, next.to) }, next.label),
        h('button', { type: 'button', class: 'danger', onclick: () => this.#fail(delivery) }, 'It failed…')));
  }

  #drawing(delivery) {
    if (!delivery.pickup.place || !delivery.dropoff.place) return null;
    return h('div', {},
      h('p', { class: 'hint' }, `${distance(delivery.pickup.place, delivery.dropoff.place)} from door to door, straight line`),
      h('div', { class: 'drawing small' }, plan([
        { place: delivery.pickup.place, label: delivery.pickup.name, kind: 'shop' },
        { place: delivery.dropoff.place, label: 'Customer', kind: 'home' },
        { place: this.#driver.place, label: 'Me', kind: 'pin' }])));
  }

  async #advance(button, delivery, status, reason) {
    const changed = await attempt(button,
      () => patch(`/api/deliveries/${delivery.id}/status`, { status, ...(reason && { reason }) }), () => this.load());
    if (!changed) return;
    this.#take(changed);
    await this.#readDriver();
  }

  #fail(delivery) {
    const reason = h('input', { required: true, maxlength: '200', autocomplete: 'off' });
    const send = h('button', { class: 'danger' }, 'Report the failure');
    const submit = async (event) => {
      event.preventDefault();
      await this.#advance(send, delivery, 'FAILED', reason.value.trim());
      box.close();
    };
    const box = dialog('The delivery failed', h('form', { onsubmit: submit },
      field('What happened', reason, { hint: 'The restaurant reads it.' }),
      h('div', { class: 'steps' }, send, h('button', { type: 'button', onclick: () => box.close() }, 'Back'))));
  }

  #nearest() {
    if (!this.#restaurants.length) return null;
    const choice = h('select', {
      onchange: () => {
        const chosen = this.#restaurants.find(({ id }) => id === choice.value);
        if (chosen) this.#picker.set(chosen.place);
      },
    }, h('option', { value: '' }, 'On the plan below'), this.#restaurants.map(({ id, name }) => h('option', { value: id }, `At ${name}`)));
    return field('Where I wait', choice);
  }

  #drawAvailability() {
    const { status } = this.#driver;
    this.#status.textContent = word(status);
    this.#status.dataset.status = status;
    const online = h('button', { type: 'button', class: status === 'OFFLINE' ? 'main big' : '', onclick: (event) => this.#goOnline(event.target) },
      status === 'OFFLINE' ? 'Go online' : 'Say that I am here');
    const offline = h('button', {
      type: 'button', onclick: (event) => attempt(event.target, () => this.#setAvailability({ status: 'OFFLINE' })),
    }, 'Go offline');
    show(this.#buttons, status === 'BUSY'
      ? h('button', { type: 'button', onclick: (event) => this.#sayPlace(event.target) }, 'Say that I am here')
      : [online, status !== 'OFFLINE' && offline]);
  }

  #goOnline(button) {
    const place = this.#picker.get();
    if (!place) { complain({ message: 'Choose a place first: tap the plan or enter latitude and longitude.' }); return; }
    attempt(button, () => this.#setAvailability({ status: 'AVAILABLE', place }));
  }

  async #setAvailability(wish) {
    this.#driver = await put('/api/drivers/me/availability', wish);
    this.#drawAvailability();
  }

  #sayPlace(button) {
    const place = this.#picker.get();
    if (place) attempt(button, async () => { await this.#tellPlace(place); tell('Your place is known.'); });
  }

  async #tellPlace(place) {
    await post('/api/drivers/me/location', { place });
    this.#driver = { ...this.#driver, place };
    this.#drawTasks();
  }

  /** A switch that sends the device's place as it moves. */
  #follow() {
    if (!navigator.geolocation || !isSecureContext) return null;
    const box = h('input', { type: 'checkbox', onchange: () => (box.checked ? this.#startFollowing(box) : this.#stopFollowing()) });
    return h('label', { class: 'check' }, box, 'Share my place while this page is open');
  }

  #startFollowing(box) {
    this.#following = navigator.geolocation.watchPosition(({ coords }) => {
      const place = { lat: Number(coords.latitude.toFixed(5)), lng: Number(coords.longitude.toFixed(5)) };
      this.#picker.set(place);
      if (Date.now() - this.#told < TELL_EVERY) return;
      this.#told = Date.now();
      this.#tellPlace(place).catch(complain);
    }, (error) => { box.checked = false; this.#stopFollowing(); complain({ message: `The device did not tell its place: ${error.message}` }); });
  }

  #stopFollowing() {
    if (this.#following !== null) navigator.geolocation.clearWatch(this.#following);
    this.#following = null;
  }
}
