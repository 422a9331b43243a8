// The page of an operation: description, parameters, body, responses.

import { h } from './dom.js';
import { markdown } from './docs-markdown.js';
import { bodyExample, follow, look, typeWords } from './docs-schema.js';
import { notes, tree } from './docs-tree.js';

const PLACES = { path: 'Path parameters', query: 'Query parameters', header: 'Headers', cookie: 'Cookies' };

/** The main column of the page. */
export function describe(operation) {
  const { method, path, spec } = operation;
  return h('article', { class: 'operation' },
    h('p', { class: 'hint area' }, operation.tag),
    h('h1', { tabindex: '-1' }, operation.title, spec.deprecated && h('span', { class: 'old' }, 'deprecated')),
    h('p', { class: 'route' }, badge(method), h('code', {}, pathParts(path))),
    markdown(operation.text),
    access(operation.security),
    parameters(operation.parameters),
    body(spec.requestBody),
    responses(spec.responses));
}

/** The coloured label of an HTTP method. */
export function badge(method) {
  return h('span', { class: 'method', 'data-method': method }, method);
}

/** A long path may break before each slash. */
function pathParts(path) {
  return path.split('/').flatMap((part, at) => (at ? [h('wbr'), `/${part}`] : [part]));
}

function access(security) {
  if (!security.schemes.length) return h('p', { class: 'access' }, 'No authentication.');
  const schemes = security.schemes.map(({ name, scopes }) => `${name}${scopes.length ? ` (${scopes.join(', ')})` : ''}`).join(' or ');
  return h('p', { class: 'access' }, security.optional ? 'Authentication is optional: ' : 'Authentication: ', h('code', {}, schemes));
}

function parameters(all) {
  return Object.entries(PLACES).map(([place, title]) => {
    const here = all.filter((parameter) => parameter.in === place);
    return here.length > 0 && h('section', {}, h('h2', {}, title), h('ul', { class: 'fields' }, here.map((parameter) => {
      const { schema } = look(parameter.schema);
      const described = { ...schema, description: parameter.description ?? schema.description, example: parameter.example ?? schema.example };
      return h('li', {},
        h('div', { class: 'fieldhead' }, h('code', { class: 'key' }, parameter.name), ' ',
          h('span', { class: 'type' }, typeWords(parameter.schema)),
          parameter.required && h('span', { class: 'required' }, 'required'),
          parameter.deprecated && h('span', { class: 'old' }, 'deprecated')),
        notes(described));
    })));
  });
}

function body(given) {
  const request = follow(given);
  if (!request) return null;
  return h('section', {}, h('h2', {}, 'Body', request.required && h('span', { class: 'required' }, 'required')),
    markdown(request.description), Object.entries(request.content ?? {}).map(([type, media]) => content(type, media, true)));
}

function content(type, media, sparse) {
  const value = bodyExample(media, sparse);
  return h('div', { class: 'content' },
    h('p', { class: 'note' }, h('code', {}, type), ' ', media.schema && look(media.schema).name && h('a', { href: `#schema/${look(media.schema).name}` }, look(media.schema).name)),
    media.schema && tree(media.schema),
    value !== undefined && h('details', {}, h('summary', {}, 'Example'),
      h('pre', { tabindex: '0' }, h('code', {}, typeof value === 'string' ? value : JSON.stringify(value, null, 2)))));
}

function responses(all) {
  const entries = Object.entries(all ?? {}).map(([status, given]) => [status, follow(given)]);
  return entries.length > 0 && h('section', {}, h('h2', {}, 'Responses'), entries.map(([status, response]) => {
    const good = status.startsWith('2');
    const headers = Object.entries(response.headers ?? {}).map(([name, given]) => [name, follow(given)]);
    const types = Object.entries(response.content ?? {});
    return h('details', { class: 'answer', open: good },
      h('summary', {}, h('span', { class: `status ${good ? 'good' : 'bad'}` }, status), ' ', firstOf(response.description)),
      h('div', { class: 'answerbody' },
        restOf(response.description),
        headers.length > 0 && h('div', {}, h('h3', {}, 'Headers'), h('ul', { class: 'fields' }, headers.map(([name, header]) => h('li', {},
          h('div', { class: 'fieldhead' }, h('code', { class: 'key' }, name), ' ', h('span', { class: 'type' }, header.schema ? typeWords(header.schema) : '')),
          notes({ ...(header.schema ? look(header.schema).schema : {}), description: header.description }))))),
        types.map(([type, media]) => content(type, media, false)),
        !headers.length && !types.length && h('p', { class: 'note' }, 'No body.')));
  }));
}

const firstOf = (text) => (text ?? '').split('\n')[0].replaceAll('`', '');
const restOf = (text) => markdown((text ?? '').split('\n').slice(1).join('\n'));
