// Sign-in, registration, and sign-in again when a session has ended.

import { get, list, post, signIn, signOut } from './api.js';
import { dialog, field, h, show } from './dom.js';
import { details } from './notice.js';

const DEMO_PASSWORD = 'comanda demo';

function credentials(email = '') {
  return {
    email: h('input', { type: 'email', name: 'email', autocomplete: 'username', required: true, value: email }),
    password: h('input', { type: 'password', name: 'password', autocomplete: 'current-password', required: true }),
  };
}

/** A form that shows an error below its fields. */
function form(label, fields, work) {
  const wrong = h('div', { role: 'alert' });
  const button = h('button', { class: 'main big' }, label);
  const submit = async (event) => {
    event?.preventDefault();
    button.disabled = true;
    show(wrong);
    try {
      await work();
    } catch (problem) {
      show(wrong, details(problem));
    } finally {
      button.disabled = false;
    }
  };
  return h('form', { onsubmit: submit }, fields, wrong, button);
}

/** Shows the sign-in page; `entered()` is called after a sign-in. */
export function openLogin(main, entered) {
  const { email, password } = credentials();
  const enter = async () => { await signIn(email.value.trim(), password.value); await entered(); };
  const sign = form('Sign in', [field('E-mail', email), field('Password', password)], enter);
  const demo = h('section', { class: 'demo', hidden: true });
  const card = h('div', { class: 'card login' }, h('h1', { tabindex: '-1' }, 'Sign in'), sign,
    h('button', { type: 'button', class: 'plain', onclick: () => openRegister(main, entered) }, 'Create an account'), demo);
  show(main, card);
  email.focus();
  drawDemo(demo, (address) => {
    email.value = address;
    password.value = DEMO_PASSWORD;
    sign.requestSubmit();
  });
}

function openRegister(main, entered) {
  const name = h('input', { autocomplete: 'name', required: true, maxlength: '100' });
  const { email, password } = credentials();
  password.autocomplete = 'new-password';
  const done = h('div', { role: 'status' });
  const make = async () => {
    const answer = await post('/api/auth/register', { name: name.value.trim(), email: email.value.trim(), password: password.value });
    show(done, h('p', { class: 'lead' }, answer?.message ?? 'Done. You can sign in now.'));
  };
  show(main, h('div', { class: 'card login' }, h('h1', { tabindex: '-1' }, 'Create an account'),
    form('Create the account', [field('Name', name), field('E-mail', email),
      field('Password', password, { hint: '8 to 128 characters.' })], make), done,
    h('button', { type: 'button', class: 'plain', onclick: () => openLogin(main, entered) }, 'Sign in instead')));
  name.focus();
}

/** The logins of the demo city, if the server runs it. */
async function drawDemo(box, enter) {
  const health = await get('/api/health').catch(() => null);
  if (health?.demo !== true) return;
  // Only restaurants of the demo; those that were created later have no such logins.
  const all = await list('/api/restaurants').catch(() => []);
  const restaurants = all.filter(({ slug, contact }) => contact?.email === `ciao@${slug}.example`).slice(0, 6);
  const logins = [
    ['ada@demo.comanda.example', 'Ada', 'customer'],
    ...restaurants.map(({ slug, name }) => [`staff.${slug}@demo.comanda.example`, name, 'staff']),
    ...restaurants.slice(0, 1).map(({ slug, name }) => [`owner.${slug}@demo.comanda.example`, name, 'owner']),
    ['driver1@demo.comanda.example', 'Driver 1', 'driver'],
    ['driver2@demo.comanda.example', 'Driver 2', 'driver'],
    ['admin@demo.comanda.example', 'Administrator', 'administrator'],
  ];
  show(box, h('h2', {}, 'Demo logins'), h('ul', {}, logins.map(([address, name, role]) => h('li', {},
    h('button', { type: 'button', title: address, onclick: () => enter(address) }, h('b', {}, name), h('span', {}, role))))));
  box.hidden = false;
}

/**
 * Asks for the password in a dialog when the session has ended; the page is kept.
 * Resolves to whether the same user signed in again.
 */
export function askAgain(user) {
  return new Promise((resolve) => {
    let renewed = false;
    const { email, password } = credentials(user.email);
    email.readOnly = true;
    const enter = async () => { await signIn(user.email, password.value); renewed = true; box.close(); };
    const box = dialog('The session has ended', h('p', { class: 'hint' }, 'Sign in again to continue.'),
      form('Sign in', [field('E-mail', email), field('Password', password)], enter),
      h('button', { type: 'button', class: 'plain', onclick: () => box.close() }, 'Sign out'));
    password.focus();
    box.addEventListener('close', () => {
      resolve(renewed);
      if (!renewed) { signOut(); dispatchEvent(new Event('comanda:signed-out')); }
    });
  });
}
