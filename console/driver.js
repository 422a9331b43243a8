// The driver's page: availability, location, and the current delivery with its next step.

import { get, list, patch, post, put } from './api.js';
import { field, h, show } from './dom.js';
import { timed, word } from './format.js';
import { join } from './live.js';
import { attempt, complain, tell } from './notice.js';
import { distance, placePicker, plan } from './plan.js';
import { askReason } from './reason.js';
import { beforePickup, nextOfDelivery } from './status.js';

const IN_HAND = ['OFFERED', 'ASSIGNED', 'ARRIVED', 'PICKED_UP'];
/** The interval between two reports while the device's location is followed, in milliseconds. */
const FOLLOW_INTERVAL = 10000;
/** The interval between two reports while on duty, in milliseconds. Must be less than DRIVER_PRESENCE, after which a driver counts as absent. */
const REPORT_INTERVAL = 60000;

/** Shows the page; resolves to the function that closes it. */
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
  #reportedAt = 0;
  #reporting = null;
  #restaurants;

  constructor(driver, restaurants) {
    this.#driver = driver;
    this.#restaurants = restaurants;
    this.#picker = placePicker({
      label: 'My location', start: driver.place,
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
      event: (name, event) => this.#receive(name, event),
      fresh: () => this.load(),
      refuse: (error) => complain({ ...error, message: error.detail ?? error.title }),
    });
    this.#report();
    this.#reporting = setInterval(() => this.#report(), REPORT_INTERVAL);
    // The browser slows down a hidden page, and the device may have been asleep.
    const wake = () => { if (document.visibilityState === 'visible') this.#readDriver().then(() => this.#report()); };
    document.addEventListener('visibilitychange', wake);
    return () => {
      clearInterval(this.#reporting);
      document.removeEventListener('visibilitychange', wake);
      leave();
      this.#stopFollowing();
    };
  }

  #receive(name, event) {
    // It was handed back, taken back or assigned to another driver; the event contains only the id of the delivery.
    if (name === 'delivery:unassigned' && this.#deliveries.delete(event.deliveryId)) {
      this.#drawTasks();
      if (event.actor !== 'DRIVER') tell('A delivery was taken back from you.');
    }
    if (event.delivery) this.#take(event.delivery);
    this.#readDriver();
  }

  /** Reports the driver's presence to the server once a minute, while on duty. */
  async #report() {
    const place = this.#picker.get();
    if (this.#driver.status === 'OFFLINE' || !place || Date.now() - this.#reportedAt < REPORT_INTERVAL / 2) return;
    try {
      await this.#sendPlace(place);
    } catch (problem) {
      complain(problem);
    }
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
      !mine.length && h('p', { class: 'empty' }, 'No delivery at the moment. New ones appear here automatically.'));
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
      delivery.assignedBecause && h('p', { class: 'hint' }, `Assigned to you: ${delivery.assignedBecause}`),
      h('div', { class: 'steps' },
        next && h('button', { type: 'button', class: 'main big', onclick: (event) => this.#advance(event.target, delivery, next.to) }, next.label),
        beforePickup(delivery) && h('button', { type: 'button', class: 'danger', onclick: () => this.#handBack(delivery) }, 'Hand back…'),
        delivery.status === 'PICKED_UP' && h('button', { type: 'button', class: 'danger', onclick: () => this.#fail(delivery) }, 'Report a failed delivery…')));
  }

  #drawing(delivery) {
    if (!delivery.pickup.place || !delivery.dropoff.place) return null;
    return h('div', {},
      h('p', { class: 'hint' }, `${distance(delivery.pickup.place, delivery.dropoff.place)} in a straight line`),
      h('div', { class: 'drawing small' }, plan([
        { place: delivery.pickup.place, label: delivery.pickup.name, kind: 'shop' },
        { place: delivery.dropoff.place, label: 'Customer', kind: 'home' },
        { place: this.#driver.place, label: 'Me', kind: 'pin' }])));
  }

  async #advance(button, delivery, status, reason) {
    const changed = await attempt(button,
      () => patch(`/api/deliveries/${delivery.id}/status`, { status, ...(reason && { reason }) }), () => this.load());
    if (!changed) return undefined;
    this.#take(changed);
    await this.#readDriver();
    return changed;
  }

  #handBack(delivery) {
    askReason({
      title: 'Hand back the delivery',
      action: 'Hand it back',
      hint: 'The restaurant can read it. The delivery is given to another driver.',
      suggestions: ['Vehicle breakdown', 'The order is not ready', 'I cannot get there'],
      send: (button, reason) => this.#advance(button, delivery, 'WAITING', reason),
    });
  }

  #fail(delivery) {
    askReason({
      title: 'Report a failed delivery',
      action: 'Report the failure',
      hint: 'The restaurant and the customer can read it. The restaurant then cancels the order.',
      required: true,
      suggestions: ['Nobody at the door', 'Address not found', 'Food damaged', 'Accident'],
      send: (button, reason) => this.#advance(button, delivery, 'FAILED', reason),
    });
  }

  #nearest() {
    if (!this.#restaurants.length) return null;
    const choice = h('select', {
      onchange: () => {
        const chosen = this.#restaurants.find(({ id }) => id === choice.value);
        if (chosen) this.#picker.set(chosen.place);
      },
    }, h('option', { value: '' }, 'The location on the map below'), this.#restaurants.map(({ id, name }) => h('option', { value: id }, `At ${name}`)));
    return field('Waiting location', choice);
  }

  #drawAvailability() {
    const { status } = this.#driver;
    this.#status.textContent = word(status);
    this.#status.dataset.status = status;
    const online = h('button', { type: 'button', class: status === 'OFFLINE' ? 'main big' : '', onclick: (event) => this.#goOnDuty(event.target) },
      status === 'OFFLINE' ? 'Go on duty' : 'Update my location');
    const offline = h('button', {
      type: 'button', onclick: (event) => attempt(event.target, () => this.#setAvailability({ status: 'OFFLINE' })),
    }, 'Go off duty');
    show(this.#buttons, status === 'BUSY'
      ? h('button', { type: 'button', onclick: (event) => this.#updatePlace(event.target) }, 'Update my location')
      : [online, status !== 'OFFLINE' && offline]);
  }

  #goOnDuty(button) {
    const place = this.#picker.get();
    if (!place) { complain({ message: 'Choose a location first: tap the map or enter latitude and longitude.' }); return; }
    attempt(button, () => this.#setAvailability({ status: 'AVAILABLE', place }));
  }

  async #setAvailability(availability) {
    this.#driver = await put('/api/drivers/me/availability', availability);
    if (availability.place) this.#reportedAt = Date.now();
    this.#drawAvailability();
  }

  #updatePlace(button) {
    const place = this.#picker.get();
    if (place) attempt(button, async () => { await this.#sendPlace(place); tell('Your location is updated.'); });
  }

  async #sendPlace(place) {
    this.#reportedAt = Date.now();
    await post('/api/drivers/me/location', { place });
    this.#driver = { ...this.#driver, place };
    this.#drawTasks();
  }

  /** A switch that reports the device's location while it moves. */
  #follow() {
    if (!navigator.geolocation || !isSecureContext) return null;
    const box = h('input', { type: 'checkbox', onchange: () => (box.checked ? this.#startFollowing(box) : this.#stopFollowing()) });
    return h('label', { class: 'check' }, box, 'Follow my device while this page is open');
  }

  #startFollowing(box) {
    this.#following = navigator.geolocation.watchPosition(({ coords }) => {
      const place = { lat: Number(coords.latitude.toFixed(5)), lng: Number(coords.longitude.toFixed(5)) };
      this.#picker.set(place);
      if (Date.now() - this.#reportedAt < FOLLOW_INTERVAL) return;
      this.#sendPlace(place).catch(complain);
    }, (error) => { box.checked = false; this.#stopFollowing(); complain({ message: `The device did not report its location: ${error.message}` }); });
  }

  #stopFollowing() {
    if (this.#following !== null) navigator.geolocation.clearWatch(this.#following);
    this.#following = null;
  }
}
