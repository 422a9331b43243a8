// The HTTP client of the console: session, errors, pagination, the server's clock.

const TOKEN = 'comanda.token';
const REFRESH = 'comanda.refresh';

/** A failed request: the fields of RFC 9457, and `body` with all of them. Status 0: the server did not respond. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.title = body.title;
    this.code = body.code ?? `http_${status}`;
    this.errors = body.errors ?? [];
    this.requestId = body.requestId;
    this.body = body;
  }
}

let token = sessionStorage.getItem(TOKEN);
let refreshToken = sessionStorage.getItem(REFRESH);
let askAgain = null;
let asking = null;
let skew = 0;

/** The access token in use, or `null`. */
export const accessToken = () => token;

/** The server's time, so that a device with a wrong clock shows correct times. */
export const now = () => Date.now() + skew;

/** Sets the function that asks for the password when the session has ended; it resolves to whether the user signed in. */
export function onSessionEnd(ask) {
  askAgain = ask;
}

/** Exchanges e-mail and password for a session. */
export async function signIn(email, password) {
  const answer = await send('POST', '/api/auth/login', { body: { email, password }, anonymous: true });
  keep(answer);
  return answer.user;
}

function keep(pair) {
  token = pair.accessToken;
  refreshToken = pair.refreshToken;
  sessionStorage.setItem(TOKEN, token);
  sessionStorage.setItem(REFRESH, refreshToken);
}

/** Ends the session, also on the server if it can be reached, and deletes it from this tab. */
export function signOut() {
  if (token) {
    const headers = { Authorization: `Bearer ${token}` };
    fetch('/api/auth/logout', { method: 'POST', headers, keepalive: true }).catch(() => {});
  }
  token = null;
  refreshToken = null;
  sessionStorage.removeItem(TOKEN);
  sessionStorage.removeItem(REFRESH);
}

/** Refreshes the tokens; `false`: the session has ended. After a lost response the next call repeats the request. */
async function refresh() {
  if (!refreshToken) return false;
  try {
    keep(await once('POST', '/api/auth/refresh', { body: { refreshToken }, anonymous: true }));
    return true;
  } catch (problem) {
    if (problem.status === 401) return false;
    throw problem;
  }
}

/** Refreshes the tokens, or asks for the password; once for all requests that failed in the meantime. */
export function renewSession() {
  asking ??= refresh().then((renewed) => renewed || (askAgain ? askAgain() : false)).finally(() => { asking = null; });
  return asking;
}

/** Sends a request. If the access token has expired, it is refreshed and the request repeated. */
export async function send(method, path, options = {}) {
  try {
    return await once(method, path, options);
  } catch (problem) {
    const ended = problem.status === 401 && token && !options.anonymous;
    if (!ended || !(await renewSession())) throw problem;
    return once(method, path, options);
  }
}

async function once(method, path, { body, headers = {}, anonymous = false }) {
  const request = { method, headers: { Accept: 'application/json', ...headers }, signal: AbortSignal.timeout(20000) };
  if (token && !anonymous) request.headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  const response = await fetch(path, request).catch((cause) => {
    throw new Problem(0, { title: 'No response', detail: 'The server did not respond. Check the connection.', code: 'no_answer', cause });
  });
  const date = Date.parse(response.headers.get('date') ?? '');
  // The header has whole seconds; half a second is the expected remainder.
  if (!Number.isNaN(date) && !response.headers.has('age')) skew = date + 500 - Date.now();
  const text = await response.text().catch(() => '');
  if (!response.ok) throw new Problem(response.status, read(text) ?? { title: response.statusText });
  return read(text);
}

function read(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

export const get = (path) => send('GET', path);
export const post = (path, body, headers) => send('POST', path, { body, headers });
export const put = (path, body) => send('PUT', path, { body });
export const patch = (path, body, headers) => send('PATCH', path, { body, headers });

/** A path with a query; parameters without a value are left out. */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Reads all pages of a list, up to `max` entries. */
export async function list(path, query = {}, max = 1000) {
  const rows = [];
  let cursor;
  do {
    const page = await get(withQuery(path, { limit: Math.min(200, max - rows.length), ...query, cursor }));
    rows.push(...page.data);
    cursor = page.nextCursor;
  } while (cursor && rows.length < max);
  return rows;
}

/** A key for `Idempotency-Key`. Plain HTTP on a local network has no `randomUUID`. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
