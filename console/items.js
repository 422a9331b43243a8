// The availability of a restaurant's items: a switch for each item of its menu.

import { get, put } from './api.js';
import { h, show } from './dom.js';
import { money } from './format.js';
import { join } from './live.js';
import { attempt, complain } from './notice.js';
import { choose, heading, workplaces } from './workplaces.js';

/** Shows the switches; resolves to the function that closes them. */
export async function open(main, { me, id }) {
  const places = await workplaces(me);
  const chosen = choose(places, id);
  if (!chosen) {
    show(main, h('h1', { tabindex: '-1' }, 'Menu'), h('p', { class: 'empty' }, 'You are not a member of a restaurant.'));
    return () => {};
  }
  const body = h('div', { class: 'items' });
  const find = h('input', { type: 'search', 'aria-label': 'Find an item', oninput: () => filter(body, find.value) });
  show(main, heading('Menu', places, chosen, 'items'), h('div', { class: 'find' }, h('span', { class: 'hint' }, 'Find'), find), body);
  let latest = 0;
  const load = async () => {
    const turn = ++latest;
    try {
      const [menu, items] = await Promise.all([get(`/api/restaurants/${chosen.id}/menu`), everyItem(chosen.id)]);
      if (turn !== latest) return;
      draw(body, chosen.id, menu, items);
      filter(body, find.value);
    } catch (problem) {
      complain(problem);
    }
  };
  await load();
  const leave = join(`restaurant:${chosen.id}`, {
    event: (name) => { if (name === 'menu:changed') load(); },
    fresh: load,
    refuse: (error) => complain({ ...error, message: error.detail ?? error.title }),
  });
  return () => { latest = -1; leave(); };
}

// The menu shows only whether an item is sold out; the list for staff has the stock.
async function everyItem(restaurant) {
  const items = new Map();
  let cursor = null;
  do {
    const page = await get(`/api/restaurants/${restaurant}/items?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    page.data.forEach((item) => items.set(item.id, item));
    cursor = page.nextCursor;
  } while (cursor);
  return items;
}

function draw(body, restaurant, menu, items) {
  const focused = document.activeElement?.dataset.item;
  const categories = menu.categories.filter((category) => category.items.length);
  show(body, categories.map((category) => h('section', {},
    h('h2', {}, category.name),
    h('ul', { class: 'rows' }, category.items.map((item) => row(restaurant, items.get(item.id) ?? item))))),
  !categories.length && h('p', { class: 'empty' }, 'The menu is empty.'));
  if (focused) body.querySelector(`[data-item="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function row(restaurant, item) {
  const toggle = h('button', {
    type: 'button', role: 'switch', class: 'switch', 'data-item': item.id,
    'aria-checked': String(item.available), 'aria-label': `${item.name} can be ordered`,
    onclick: () => attempt(toggle, async () => {
      const available = toggle.getAttribute('aria-checked') !== 'true';
      await put(`/api/restaurants/${restaurant}/items/${item.id}/availability`, { available });
      toggle.setAttribute('aria-checked', String(available));
    }),
  }, h('span', { class: 'knob' }), h('span', { class: 'said on' }, 'On'), h('span', { class: 'said off' }, 'Off'));
  const stock = item.stock === null || item.stock === undefined ? null : `${item.stock} left`;
  return h('li', { 'data-find': `${item.name} ${item.description ?? ''}`.toLowerCase() },
    h('div', { class: 'what' }, h('b', {}, item.name), item.description && h('span', { class: 'hint' }, item.description)),
    stock && h('span', { class: item.stock === 0 ? 'wrong' : 'hint' }, stock),
    h('span', { class: 'price' }, money(item.price)), toggle);
}

function filter(body, text) {
  const wanted = text.trim().toLowerCase();
  for (const section of body.querySelectorAll('section')) {
    const rows = [...section.querySelectorAll('li')];
    rows.forEach((entry) => { entry.hidden = !entry.dataset.find.includes(wanted); });
    section.hidden = rows.every((entry) => entry.hidden);
  }
}
