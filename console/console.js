// The console: the signed-in user, the current page, and the state of the live connection.

import { accessToken, get, onSessionEnd, signOut } from './api.js';
import { h, show } from './dom.js';
import { close, watch } from './live.js';
import { askAgain, openLogin } from './login.js';
import { details } from './notice.js';
import * as board from './board.js';
import * as driver from './driver.js';
import * as items from './items.js';
import * as orders from './orders.js';
import * as shop from './shop.js';

const PAGES = { board, items, driver, restaurants: shop, orders };
const LIVE = {
  idle: '', live: 'Live', joining: 'Connecting…',
  lost: 'Disconnected, reconnecting…', refused: 'No live updates',
};

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const who = document.getElementById('who');
const live = document.getElementById('live');

let me = null;
let leave = () => {};
let turn = 0;

/** The pages of a user; the first one is shown at the start. */
function pagesOf(person) {
  const works = person.role === 'ADMIN' || person.memberships.length > 0;
  return [
    ...(works ? [['board', 'Orders'], ['items', 'Menu']] : []),
    ...(person.driver ? [['driver', 'Deliveries']] : []),
    ['restaurants', 'Restaurants'],
    ['orders', 'My orders'],
  ];
}

async function enter() {
  try {
    me = await get('/api/me');
  } catch (problem) {
    if (problem.status === 401) { signOut(); leaveAll(); return; }
    show(main, h('div', { class: 'card login' }, h('h1', {}, 'The console could not be loaded'), details(problem),
      h('button', { type: 'button', class: 'main', onclick: enter }, 'Try again')));
    return;
  }
  show(who, h('span', { class: 'name' }, me.name), h('button', { type: 'button', class: 'plain', onclick: leaveAll }, 'Sign out'));
  await route();
}

function leaveAll() {
  turn += 1;
  leave();
  leave = () => {};
  signOut();
  close();
  me = null;
  show(nav);
  show(who);
  document.querySelectorAll('dialog').forEach((box) => box.close());
  document.title = 'Comanda';
  openLogin(main, enter);
}

async function route() {
  if (!me) return;
  const allowed = pagesOf(me);
  const [, name, id] = location.hash.split('/');
  const page = allowed.some(([known]) => known === name) ? name : allowed[0][0];
  const mine = ++turn;
  leave();
  leave = () => {};
  show(nav, allowed.map(([known, label]) => h('a', { href: `#/${known}`, 'aria-current': known === page && 'page' }, label)));
  main.dataset.page = page;
  main.setAttribute('aria-busy', 'true');
  try {
    // The page is built in a detached element, so that a slow page does not replace one that was chosen later.
    const sheet = h('div', { class: 'sheet' });
    const undo = await PAGES[page].open(sheet, { me, id: page === name ? id : undefined });
    if (mine !== turn) { undo(); return; }
    leave = undo;
    show(main, sheet);
    scrollTo(0, 0);
    main.querySelector('h1')?.focus({ preventScroll: true });
  } catch (problem) {
    if (mine !== turn) return;
    show(main, h('div', { class: 'card login' }, h('h1', { tabindex: '-1' }, 'The page could not be loaded'), details(problem),
      h('button', { type: 'button', class: 'main', onclick: route }, 'Try again')));
  } finally {
    if (mine === turn) main.removeAttribute('aria-busy');
  }
}

onSessionEnd(() => (me ? askAgain(me) : false));
addEventListener('comanda:signed-out', leaveAll);
addEventListener('hashchange', route);
// The fragment of the address is the page, so the skip link is handled here.
document.getElementById('skip').addEventListener('click', (event) => { event.preventDefault(); main.focus(); });
watch((state) => {
  live.dataset.state = state;
  live.textContent = LIVE[state];
});

if (accessToken()) enter();
else openLogin(main, enter);
