// The pages of the reference that are not operations: overview, live events, order status, schemas.

import { h } from './dom.js';
import { firstLine, markdown } from './docs-markdown.js';
import { badge } from './docs-operation.js';
import { example, look } from './docs-schema.js';
import { notes, tree } from './docs-tree.js';

const code = (text) => h('pre', { tabindex: '0' }, h('code', {}, text));

/** The overview: the description of the API, and its operations by tag. */
export function overview({ document, areas }) {
  const { info } = document;
  return h('article', {},
    h('h1', { tabindex: '-1' }, info.title),
    markdown(info.description),
    h('p', { class: 'note' }, `Version ${info.version} · OpenAPI ${document.openapi}`, info.license?.name && ` · ${info.license.name}`),
    areas.map(({ name, description, operations }) => h('section', {},
      h('h2', { class: 'area' }, name), markdown(description),
      h('ul', { class: 'index' }, operations.map((operation) => h('li', {},
        h('a', { href: `#${operation.id}` }, badge(operation.method), h('code', {}, operation.path)),
        h('span', { class: 'hint' }, operation.title)))))));
}

/** The rooms and events of the live connection. */
export function liveEvents({ document }) {
  const events = document['x-socket-events'];
  return h('article', {},
    h('h1', { tabindex: '-1' }, 'Live events'),
    h('p', { class: 'lead' }, 'Socket.IO v4 at ', h('code', {}, '/socket.io'), ': authenticate with the access token, join a room, and receive its events. ',
      'Keep the last ', h('code', {}, 'seq'), ' of a room: joining again with ', h('code', {}, 'after'), ' replays the missed events before the acknowledgement.'),
    code([
      'import { io } from "socket.io-client";',
      '',
      `const socket = io("${location.origin}", { auth: (give) => give({ token }) });`,
      'let seq; // the last one seen',
      'socket.on("connect", () => {',
      '  socket.emit("join", { room: "order:" + orderId, after: seq }, (answer) => {',
      '    if (answer.ok) seq = Math.max(seq ?? 0, answer.seq);',
      '    else console.error(answer.error);',
      '  });',
      '});',
      'socket.on("order:status-changed", (event) => {',
      '  seq = event.seq;',
      '  console.log(event.order.status);',
      '});',
      'socket.on("disconnect", (reason) => {',
      '  if (reason === "io server disconnect") setTimeout(() => socket.connect(), 1000);',
      '});',
    ].join('\n')),
    h('p', {}, 'The server closes a connection when its session ends, or when its client reads too slowly. The official clients reconnect automatically ',
      'from every end but this one, ', h('code', {}, 'io server disconnect'), ': connect again, with a fresh token if the old one was refused.'),
    events.map((event) => h('section', { class: 'event' },
      h('h2', {}, h('code', {}, event.name)),
      markdown(event.description),
      (event.rooms ?? []).length > 0 && h('p', { class: 'note' }, 'Rooms: ', event.rooms.map((room, at) => [at > 0 && ' ', h('code', { class: 'choice' }, room)])),
      event.payload && [tree(event.payload), h('details', {}, h('summary', {}, 'Example'), code(JSON.stringify(example(event.payload), null, 2)))])));
}

/** The transitions of an order's status, and who may make them. */
export function orderStatus({ document }) {
  const rows = document['x-order-status-table'];
  return h('article', {},
    h('h1', { tabindex: '-1' }, 'Order status'),
    h('p', { class: 'lead' }, 'These are the allowed transitions of an order. Every other one returns ', h('code', {}, '409'), ' and the code ', h('code', {}, 'illegal_transition'), '.'),
    h('div', { class: 'wide', tabindex: '0' }, h('table', {},
      h('thead', {}, h('tr', {}, ['From', 'To', 'Who', 'Note'].map((title) => h('th', { scope: 'col' }, title)))),
      h('tbody', {}, rows.map((row, at) => h('tr', { class: at > 0 && rows[at - 1].from !== row.from ? 'group' : null },
        h('td', {}, h('code', {}, row.from)), h('td', {}, h('code', {}, row.to)), h('td', {}, words(row.who)), h('td', {}, words(row.note))))))));
}

const words = (value) => (Array.isArray(value) ? value.join(', ') : value ?? '');

/** All named schemas. */
export function schemas({ document }) {
  const all = Object.entries(document.components?.schemas ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return h('article', {}, h('h1', { tabindex: '-1' }, 'Schemas'),
    h('ul', { class: 'index' }, all.map(([name, schema]) => h('li', {},
      h('a', { href: `#schema/${name}` }, h('code', {}, name)), h('span', { class: 'hint' }, firstLine(look(schema).schema.description))))));
}

/** One named schema. */
export function oneSchema({ document }, name) {
  const schema = document.components?.schemas?.[name];
  if (!schema) return missing(name);
  const view = look(schema).schema;
  return h('article', {}, h('p', { class: 'hint' }, h('a', { href: '#schemas' }, 'Schemas')), h('h1', { tabindex: '-1' }, name),
    view.properties || view.oneOf || view.anyOf ? [notes({ description: view.description }), tree(schema)] : tree(schema),
    h('h2', {}, 'Example'), code(JSON.stringify(example(schema), null, 2)));
}

/** The page for an unknown address. */
export function missing(name) {
  return h('article', {}, h('h1', { tabindex: '-1' }, 'Not found'),
    h('p', {}, 'There is no page ', h('code', {}, name), ' in this reference. ', h('a', { href: '#overview' }, 'Overview')));
}
