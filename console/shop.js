// The pages of customers: the list of restaurants, and the menu of one with its cart.

import { get, list } from './api.js';
import { Cart } from './cart.js';
import { checkout } from './checkout.js';
import { askChoices, chosenWords } from './choices.js';
import { h, show } from './dom.js';
import { money } from './format.js';
import { complain } from './notice.js';

const OBSTACLES = {
  deleted: 'No longer on the menu.', unavailable: 'Not available.', out_of_stock: 'Not enough in stock.',
  not_now: 'Not served at this hour.', choices_changed: 'Choose again: the menu has changed.',
};
const REASONS = { unavailable: 'Not available', out_of_stock: 'Sold out', not_now: 'Not served now', choices_unavailable: 'Sold out' };
const MAX_QUANTITY = 99;

/** Shows the restaurants, or one of them; resolves to the function that closes it. */
export async function open(main, { id }) {
  if (id) await openMenu(main, id);
  else await openList(main);
  return () => {};
}

async function openList(main) {
  const restaurants = await list('/api/restaurants', {}, 400);
  const cards = restaurants.map((restaurant) => [card(restaurant), `${restaurant.name} ${(restaurant.cuisines ?? []).join(' ')}`.toLowerCase()]);
  const find = h('input', {
    type: 'search', 'aria-label': 'Find a restaurant',
    oninput: () => cards.forEach(([element, text]) => { element.hidden = !text.includes(find.value.trim().toLowerCase()); }),
  });
  show(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Restaurants')),
    h('div', { class: 'find' }, h('span', { class: 'hint' }, 'Find'), find),
    h('ul', { class: 'cards' }, cards.map(([element]) => element)),
    !cards.length && h('p', { class: 'empty' }, 'There are no restaurants yet.'));
}

/** The text that says whether a restaurant takes orders now. */
export function openWords(restaurant) {
  if (!restaurant.accepting) return 'Not taking orders';
  return restaurant.openNow ? 'Open' : 'Closed';
}

function card(restaurant) {
  const takes = restaurant.accepting && restaurant.openNow;
  return h('li', {}, h('a', { class: `card shopcard${takes ? '' : ' shut'}`, href: `#/restaurants/${restaurant.id}` },
    h('span', { class: 'line' }, h('b', {}, restaurant.name), h('span', { class: `tag${takes ? ' good' : ''}` }, openWords(restaurant))),
    (restaurant.cuisines ?? []).length > 0 && h('span', { class: 'hint' }, restaurant.cuisines.join(', ')),
    h('span', { class: 'hint' }, terms(restaurant))));
}

function terms({ deliveryFee, minimumOrder, preparationMinutes }) {
  return [
    deliveryFee && (deliveryFee.amount ? `Delivery ${money(deliveryFee)}` : 'Free delivery'),
    minimumOrder?.amount && `from ${money(minimumOrder)}`,
    preparationMinutes && `about ${preparationMinutes} min preparation`,
  ].filter(Boolean).join(' · ');
}

async function openMenu(main, id) {
  const [restaurant, menu] = await Promise.all([get(`/api/restaurants/${id}`), get(`/api/restaurants/${id}/menu`)]);
  const basket = h('aside', { class: 'basket card', id: 'cart', 'aria-label': 'Cart' });
  const bar = h('a', { class: 'bar button', href: '#cart', onclick: (event) => {
    // The fragment of the address is the page, so the link is handled here.
    event.preventDefault();
    basket.scrollIntoView({ behavior: 'smooth' });
  } });
  const form = checkout(restaurant);
  const cart = new Cart(id, { changed: () => drawCart(), failed: complain });
  const items = new Map(menu.categories.flatMap((category) => category.items).map((item) => [item.id, item]));
  const groups = new Map(menu.modifierGroups.map((group) => [group.id, group]));
  const content = h('div', {});
  show(basket, h('h2', {}, 'Cart'), content, form.element);
  function drawCart() {
    const typing = content.contains(document.activeElement) ? document.activeElement : null;
    show(content, cart.lines.map((line, at) => lineOf(cart, line, at, items.get(line.itemId), groups)),
      !cart.lines.length && h('p', { class: 'hint' }, 'The cart is empty. Add an item.'));
    if (typing) resume(content, typing);
    form.update(cart);
    const count = cart.lines.reduce((sum, line) => sum + line.quantity, 0);
    show(bar, `Cart · ${count}`, cart.data?.itemsTotal && !cart.unsaved ? ` · ${money(cart.data.itemsTotal)}` : '');
    bar.hidden = count === 0;
  }
  await cart.load().catch(complain);
  show(main,
    h('p', { class: 'back' }, h('a', { href: '#/restaurants' }, '← Restaurants')),
    h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, restaurant.name),
      h('span', { class: `tag${restaurant.accepting && restaurant.openNow ? ' good' : ''}` }, openWords(restaurant))),
    restaurant.description && h('p', { class: 'lead' }, restaurant.description),
    h('p', { class: 'hint' }, [restaurant.address, terms(restaurant)].filter(Boolean).join(' · ')),
    h('div', { class: 'shop' }, dishes(menu, cart, groups), basket), bar);
  drawCart();
}

/** Redraws the cart, but keeps the focus and an unfinished input. */
function resume(content, typing) {
  const again = content.querySelector(`[data-key="${CSS.escape(typing.dataset.key)}"]`);
  if (!again) return;
  if (again.tagName === 'INPUT') again.value = typing.value;
  again.focus({ preventScroll: true });
}

function dishes(menu, cart, groups) {
  const categories = menu.categories.filter((category) => category.items.length);
  return h('div', { class: 'items' }, categories.map((category) => h('section', {},
    h('h2', {}, category.name),
    h('ul', { class: 'rows' }, category.items.map((item) => dish(item, cart, groups))))),
  !categories.length && h('p', { class: 'empty' }, 'The menu is empty.'));
}

function dish(item, cart, groups) {
  const gone = !item.orderable;
  const add = item.modifierGroups.length
    ? () => askChoices({ item, groups, action: 'Add', take: (choices) => cart.add(item, choices) })
    : () => cart.add(item);
  return h('li', { class: gone ? 'gone' : '' },
    h('div', { class: 'what' }, h('b', {}, item.name), item.description && h('span', { class: 'hint' }, item.description)),
    h('span', { class: 'price' }, money(item.price)),
    gone ? h('span', { class: 'tag' }, REASONS[item.reason] ?? 'Not available')
      : h('button', { type: 'button', 'aria-label': `Add ${item.name}`, onclick: add }, 'Add'));
}

function lineOf(cart, line, at, item, groups) {
  const change = (by, label, key) => h('button', {
    type: 'button', class: 'round', 'aria-label': label, 'data-key': `${at}${key}`,
    disabled: line.quantity + by > MAX_QUANTITY, onclick: () => cart.setQuantity(line, line.quantity + by),
  }, key);
  return h('div', { class: 'cartline' },
    h('div', { class: 'line' }, h('b', {}, line.name), h('span', { class: 'price' }, cart.unsaved ? '…' : money(line.total))),
    line.modifiers?.length > 0 && h('p', { class: 'hint' }, chosenWords(line.modifiers).join(', ')),
    line.orderable === false && h('p', { class: 'wrong' }, OBSTACLES[line.reason] ?? 'Not available now.'),
    h('div', { class: 'line' },
      h('div', { class: 'quantity' }, change(-1, `Remove one ${line.name}`, '−'), h('span', {}, line.quantity), change(1, `Add one ${line.name}`, '+')),
      item?.modifierGroups.length > 0 && h('button', {
        type: 'button', class: 'plain', 'aria-label': `Change what is chosen on ${line.name}`, 'data-key': `${at}choices`,
        onclick: () => askChoices({ item, groups, chosen: line.modifiers, action: 'Change', take: (choices) => cart.setModifiers(line, choices) }),
      }, 'Change'),
      line.note ? noteInput(cart, line, at) : h('button', {
        type: 'button', class: 'plain', 'aria-label': `Add a note to ${line.name}`,
        onclick: (event) => { const input = noteInput(cart, line, at); event.target.replaceWith(input); input.focus(); },
      }, 'Add a note')));
}

function noteInput(cart, line, at) {
  return h('input', {
    'aria-label': `Note for ${line.name}`, class: 'note', maxlength: '200', value: line.note ?? '', 'data-key': `${at}note`,
    onchange: (event) => cart.setNote(line, event.target.value.trim()),
  });
}
