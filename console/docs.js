// The API reference: reads the OpenAPI document and shows one page of it at a time, named in the address.

import { h, show } from './dom.js';
import { describe, badge } from './docs-operation.js';
import { liveEvents, missing, oneSchema, orderStatus, overview, schemas } from './docs-pages.js';
import { follow, setDocument } from './docs-schema.js';
import { tryIt } from './docs-try.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'];
const content = document.getElementById('content');
const nav = document.getElementById('nav');
const treeBox = document.getElementById('tree');
const search = document.getElementById('search');
const contents = document.getElementById('contents');

let reference = null;

/** All operations, with the parameters and the security that they inherit from their path and the document. */
function operationsOf(source) {
  return Object.entries(source.paths ?? {}).flatMap(([path, given]) => {
    const item = follow(given);
    return METHODS.filter((method) => item[method]).map((method) => operation(source, path, item, method));
  });
}

function operation(source, path, item, method) {
  const spec = item[method];
  const own = (spec.parameters ?? []).map(follow);
  const shared = (item.parameters ?? []).map(follow).filter(({ name, in: place }) => !own.some((other) => other.name === name && other.in === place));
  const needs = spec.security ?? source.security ?? [];
  const { title, text } = words(spec, method, path);
  return {
    id: spec.operationId ?? `${method}${path.replaceAll(/[^A-Za-z0-9]+/g, '-')}`,
    method: method.toUpperCase(), path, spec, title, text,
    tag: spec.tags?.[0] ?? 'Other',
    parameters: [...own, ...shared],
    security: {
      optional: needs.some((need) => !Object.keys(need).length),
      schemes: needs.flatMap((need) => Object.entries(need).map(([name, scopes]) => ({ name, scopes }))),
    },
  };
}

/** The description without the summary that it repeats. */
function words({ summary, description = '' }, method, path) {
  const first = summary ?? description.split('\n')[0];
  return {
    title: first.replace(/\.$/, '') || `${method.toUpperCase()} ${path}`,
    text: description.startsWith(first) ? description.slice(first.length) : description,
  };
}

function areasOf(source, operations) {
  const told = (source.tags ?? []).map(({ name, description }) => ({ name, description }));
  const others = [...new Set(operations.map(({ tag }) => tag))].filter((tag) => !told.some(({ name }) => name === tag)).map((name) => ({ name }));
  return [...told, ...others]
    .map((area) => ({ ...area, operations: operations.filter(({ tag }) => tag === area.name) }))
    .filter((area) => area.operations.length);
}

function drawNav() {
  const { document: source, areas } = reference;
  const entry = (address, label, found, mark) => h('li', { 'data-find': `${label} ${found ?? ''}`.toLowerCase() },
    h('a', { href: `#${address}` }, mark, h('span', {}, label)));
  const group = (title, entries) => h('section', {}, h('h2', {}, title), h('ul', {}, entries));
  show(treeBox,
    group('Guide', [
      entry('overview', 'Overview'),
      source['x-order-status-table']?.length && entry('order-status', 'Order status'),
      source['x-socket-events']?.length && entry('live-events', 'Live events', source['x-socket-events'].map(({ name }) => name).join(' ')),
      source.components?.schemas && entry('schemas', 'Schemas', Object.keys(source.components.schemas).join(' ')),
    ]),
    areas.map(({ name, operations }) => group(name, operations.map((one) =>
      entry(one.id, one.title, `${one.method} ${one.path} ${one.id} ${one.text}`, badge(one.method))))));
}

function filter() {
  const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const section of treeBox.querySelectorAll('section')) {
    const entries = [...section.querySelectorAll('li')];
    entries.forEach((entry) => { entry.hidden = !wanted.every((word) => entry.dataset.find.includes(word)); });
    const shown = entries.filter((entry) => !entry.hidden).length;
    section.hidden = shown === 0;
    found += shown;
  }
  document.getElementById('nothing').hidden = found > 0;
}

const PAGES = { overview, schemas, 'order-status': orderStatus, 'live-events': liveEvents };

function pageOf(name) {
  if (!name) return [overview(reference)];
  if (name.startsWith('schema/')) return [oneSchema(reference, name.slice('schema/'.length))];
  const one = reference.operations.find(({ id }) => id === name);
  if (one) return [describe(one), tryIt(one)];
  return [PAGES[name] ? PAGES[name](reference) : missing(name)];
}

function route() {
  const name = location.hash.slice(1);
  const page = pageOf(name);
  content.classList.toggle('with-trial', page.length > 1);
  show(content, page);
  for (const link of treeBox.querySelectorAll('a')) {
    if (link.hash === `#${name || 'overview'}`) { link.setAttribute('aria-current', 'page'); link.scrollIntoView({ block: 'nearest' }); } else link.removeAttribute('aria-current');
  }
  const title = content.querySelector('h1');
  document.title = `${title.textContent} · Comanda API`;
  openNav(false);
  scrollTo(0, 0);
  if (name) title.focus({ preventScroll: true });
}

function openNav(open) {
  nav.classList.toggle('opened', open);
  contents.setAttribute('aria-expanded', String(open));
}

async function start() {
  try {
    const response = await fetch('/api/openapi.json', { headers: { Accept: 'application/json' } });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const source = await response.json();
    setDocument(source);
    const operations = operationsOf(source);
    reference = { document: source, operations, areas: areasOf(source, operations) };
    document.getElementById('version').textContent = source.info.version;
    drawNav();
    route();
  } catch (error) {
    show(content, h('h1', {}, 'The API reference could not be loaded'), h('p', {}, `/api/openapi.json: ${error.message}`));
  } finally {
    content.removeAttribute('aria-busy');
  }
}

search.addEventListener('input', filter);
search.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') treeBox.querySelector('li:not([hidden]) a')?.click();
  if (event.key === 'Escape') { search.value = ''; filter(); }
});
contents.addEventListener('click', () => { openNav(!nav.classList.contains('opened')); if (nav.classList.contains('opened')) search.focus(); });
document.getElementById('skip').addEventListener('click', (event) => { event.preventDefault(); content.focus(); });
addEventListener('hashchange', () => { if (reference) route(); });
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  event.preventDefault();
  openNav(true);
  search.focus();
});
start();
