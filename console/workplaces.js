// The restaurants of a member of staff: the choice at the top of the board and of the menu.

import { list } from './api.js';
import { h } from './dom.js';

let all = null;

/** The restaurants that a user works for; administrators see all. */
export async function workplaces(me) {
  if (me.role !== 'ADMIN') return me.memberships.map(({ restaurantId, restaurantName }) => ({ id: restaurantId, name: restaurantName }));
  all ??= list('/api/restaurants').catch((problem) => { all = null; throw problem; });
  return (await all).map(({ id, name }) => ({ id, name })).sort((a, b) => a.name.localeCompare(b.name));
}

const KEPT = 'comanda.workplace';

/** The requested restaurant, else the previous one, else the first. */
export function choose(places, id) {
  const chosen = places.find((place) => place.id === id)
    ?? places.find((place) => place.id === sessionStorage.getItem(KEPT)) ?? places[0];
  if (chosen) sessionStorage.setItem(KEPT, chosen.id);
  return chosen;
}

/** The heading of a page: the restaurant's name, or a choice if there are several. */
export function heading(title, places, chosen, page) {
  const choice = places.length > 1 && h('select', {
    'aria-label': 'Restaurant', value: chosen.id,
    onchange: (event) => { location.hash = `#/${page}/${event.target.value}`; },
  }, places.map((place) => h('option', { value: place.id }, place.name)));
  return h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, title), choice || h('p', { class: 'where' }, chosen.name));
}
