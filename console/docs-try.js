// The right column: the form of a request, the same request as a curl command, and the response.

import { newKey } from './api.js';
import { field, h, show } from './dom.js';
import { bodyExample, follow, look } from './docs-schema.js';

// The console stores its token under the same name, so that its session is used here too.
const TOKEN = 'comanda.token';
const SHOWN = 200000;

/** The column for one operation. */
export function tryIt(operation) {
  return new Trial(operation).element;
}

class Trial {
  #operation;
  #inputs = [];
  #media = null;
  #body = null;
  #token = h('input', { type: 'password', autocomplete: 'off', spellcheck: 'false', value: sessionStorage.getItem(TOKEN) ?? '' });
  #command = h('code', {});
  #answer = h('div', { class: 'came', 'aria-live': 'polite' });
  #button = h('button', { class: 'main' }, 'Send');

  constructor(operation) {
    this.#operation = operation;
    const form = h('form', { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.#send(); }, oninput: () => this.#retell() },
      h('h2', {}, 'Try it'), this.#tokenField(), operation.parameters.map((parameter) => this.#input(parameter)), this.#bodyField(), this.#button);
    this.element = h('aside', { class: 'trial', 'aria-label': 'Try it' },
      h('section', { class: 'curl' }, h('div', { class: 'line' }, h('h2', {}, 'curl'), copyButton(() => this.#command.textContent)),
        h('pre', { tabindex: '0' }, this.#command)),
      h('section', { class: 'box' }, form), this.#answer);
    this.#retell();
  }

  #tokenField() {
    if (!this.#operation.security.schemes.length) return null;
    this.#token.addEventListener('input', () => keepToken(this.#token.value.trim()));
    return field('Access token', this.#token, { hint: 'From POST /api/auth/login. Kept in this tab only.' });
  }

  #input(parameter) {
    if (parameter.in === 'cookie' || /^(authorization|accept|content-type)$/i.test(parameter.name)) return null;
    const { schema } = look(parameter.schema);
    const options = schema.enum ?? (schema.type === 'boolean' ? [true, false] : null);
    const input = options
      ? h('select', {}, h('option', { value: '' }, ''), options.map((value) => h('option', { value: String(value) }, String(value))))
      : h('input', { autocomplete: 'off', spellcheck: 'false' });
    const key = /^idempotency-key$/i.test(parameter.name);
    const given = exampleOf(parameter);
    if (key) input.value = newKey();
    else if (parameter.required && given && parameter.in !== 'path') input.value = given;
    if (parameter.required) input.required = true;
    this.#inputs.push({ parameter, input });
    const row = field(parameter.name, input, { hint: key ? 'Send again with the same key to get the stored response.' : parameter.required ? 'required' : undefined });
    if (key) {
      row.append(h('button', { type: 'button', class: 'small', onclick: () => { input.value = newKey(); this.#retell(); } }, 'New key'));
    }
    return row;
  }

  #bodyField() {
    const request = follow(this.#operation.spec.requestBody);
    const types = Object.entries(request?.content ?? {});
    if (!types.length) return null;
    const [type, media] = types.find(([name]) => name.includes('json')) ?? types[0];
    this.#media = type;
    if (!/json|text|xml|urlencoded/.test(type)) {
      this.#body = h('input', { type: 'file' });
      return field(`Body (${type})`, this.#body);
    }
    const value = bodyExample(media, true);
    const text = value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value, null, 2);
    this.#body = h('textarea', { spellcheck: 'false', rows: String(Math.min(18, text.split('\n').length + 1)), value: text });
    return field('Body', this.#body);
  }

  /** The request from the form; in the shown command, empty path parameters are replaced by their examples. */
  #request(toRead = false) {
    let { path } = this.#operation;
    const query = new URLSearchParams();
    const headers = {};
    for (const { parameter, input } of this.#inputs) {
      const value = input.value.trim() || (toRead && parameter.in === 'path' && exampleOf(parameter)) || '';
      if (!value) continue;
      if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
      else if (parameter.in === 'query') addQuery(query, parameter, value);
      else headers[parameter.name] = value;
    }
    if (this.#body && this.#bodyValue()) headers['Content-Type'] = this.#media;
    return { method: this.#operation.method, address: path + (query.size ? `?${query}` : ''), headers };
  }

  #bodyValue() {
    return this.#body.type === 'file' ? this.#body.files[0] : this.#body.value.trim();
  }

  #retell() {
    const { method, address, headers } = this.#request(true);
    const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}${quote(location.origin + address)}`];
    const { schemes, optional } = this.#operation.security;
    if (schemes.length && (!optional || this.#token.value)) lines.push('-H "Authorization: Bearer $TOKEN"');
    for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quote(`${name}: ${value}`)}`);
    const body = this.#body && this.#bodyValue();
    if (body) lines.push(typeof body === 'string' ? `--data-raw ${quote(compact(body))}` : `--data-binary ${quote(`@${body.name}`)}`);
    this.#command.textContent = lines.join(' \\\n  ');
  }

  async #send() {
    const missing = this.#inputs.filter(({ parameter, input }) => parameter.required && !input.value.trim());
    this.#inputs.forEach(({ input }) => input.removeAttribute('aria-invalid'));
    if (missing.length) {
      missing.forEach(({ input }) => input.setAttribute('aria-invalid', 'true'));
      missing[0].input.focus();
      return;
    }
    const { method, address, headers } = this.#request();
    const token = this.#token.value.trim();
    if (token && this.#operation.security.schemes.length) headers.Authorization = `Bearer ${token}`;
    this.#button.disabled = true;
    const from = performance.now();
    try {
      const body = (this.#body && this.#bodyValue()) || undefined;
      const response = await fetch(address, { method, headers, body, cache: 'no-store', signal: AbortSignal.timeout(60000) });
      const bytes = await response.arrayBuffer();
      this.#tell(response, bytes, performance.now() - from);
    } catch (error) {
      show(this.#answer, h('section', { class: 'box' }, h('p', { class: 'wrong' }, `No response: ${error.message}`)));
    } finally {
      this.#button.disabled = false;
    }
  }

  #tell(response, bytes, took) {
    const type = response.headers.get('content-type') ?? '';
    const { text, value } = readable(type, bytes);
    const headers = [...response.headers].map(([name, content]) => `${name}: ${content}`).join('\n');
    show(this.#answer, h('section', { class: 'box' },
      h('div', { class: 'line' },
        h('p', {}, h('span', { class: `status ${response.ok ? 'good' : 'bad'}` }, response.status), ' ', response.statusText),
        h('p', { class: 'hint' }, `${took < 10 ? took.toFixed(1) : Math.round(took)} ms · ${bytes.byteLength} bytes`)),
      value?.accessToken && h('button', {
        type: 'button', onclick: (event) => { keepToken(value.accessToken); event.target.textContent = 'In use'; },
      }, 'Use this access token'),
      h('details', {}, h('summary', {}, 'Headers'), h('pre', { tabindex: '0' }, h('code', {}, headers))),
      text && h('div', { class: 'line' }, h('h3', {}, 'Body'), copyButton(() => text)),
      text && h('pre', { tabindex: '0', class: 'tall' }, h('code', {}, text.length > SHOWN ? `${text.slice(0, SHOWN)}\n… ${text.length - SHOWN} more characters` : text))));
  }
}

/** The example of a parameter as text. Path parameters start empty, because the ids of examples do not exist. */
function exampleOf(parameter) {
  const { schema } = look(parameter.schema);
  return String(parameter.example ?? schema.example ?? schema.examples?.[0] ?? schema.default ?? '');
}

function keepToken(token) {
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
}

/** A list parameter is entered with commas and serialised as the document states. */
function addQuery(query, parameter, value) {
  const list = look(parameter.schema).schema.type === 'array';
  if (list && parameter.explode !== false) value.split(',').forEach((part) => query.append(parameter.name, part.trim()));
  else query.append(parameter.name, value);
}

function readable(type, bytes) {
  if (!bytes.byteLength) return { text: '' };
  if (!/json|text|xml|javascript/.test(type)) return { text: `${bytes.byteLength} bytes of ${type || 'unknown type'}` };
  const text = new TextDecoder().decode(bytes);
  if (!type.includes('json')) return { text };
  try {
    const value = JSON.parse(text);
    return { text: JSON.stringify(value, null, 2), value };
  } catch {
    return { text };
  }
}

/** JSON on one line for the command; any other text unchanged. */
function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function copyButton(text) {
  if (!navigator.clipboard) return null;
  const button = h('button', {
    type: 'button', class: 'small',
    onclick: async () => {
      await navigator.clipboard.writeText(text()).then(() => { button.textContent = 'Copied'; }, () => {});
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    },
  }, 'Copy');
  return button;
}
