// Places one order through a client whose types are generated from the OpenAPI document (`openapi-typescript`), and follows
// it as a generated client would: compiled with `tsc --strict`, so a schema or response that says something else than the
// server does not compile, and one that the server does not keep fails here.
// Runs as `node order.js URL ACCESS_TOKEN RESTAURANT_ID ITEM_ID`; prints the id of the order.

import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';

type Order = components['schemas']['Order'];
type OrderPage = components['schemas']['OrderPage'];
type Problem = components['schemas']['ProblemBody'];

declare const process: { argv: string[]; stdout: { write(text: string): void } };

const [url, token, restaurantId, itemId] = process.argv.slice(2);
if (!url || !token || !restaurantId || !itemId) throw new Error('usage: order.js URL ACCESS_TOKEN RESTAURANT_ID ITEM_ID');

const api = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

/** The body of a successful response, or an error with the code of the problem. */
function expectData<T>(result: { data?: T; error?: Problem }): T {
  if (result.error) throw new Error(`${result.error.code}: ${result.error.detail}`);
  if (result.data === undefined) throw new Error('no body');
  return result.data;
}

const menu = expectData(await api.GET('/api/restaurants/{restaurantId}/menu', { params: { path: { restaurantId } } }));
const item = menu.categories.flatMap((category) => category.items).find(({ id }) => id === itemId);
if (!item) throw new Error(`${itemId} is not on the menu`);

const quote = expectData(await api.POST('/api/restaurants/{restaurantId}/quotes', {
  params: { path: { restaurantId } },
  body: { fulfilment: 'PICKUP', lines: [{ itemId, quantity: 2 }] },
}));

const order: Order = expectData(await api.POST('/api/orders', {
  params: { header: { 'Idempotency-Key': crypto.randomUUID() } },
  body: { quoteId: quote.id },
}));
if (order.status !== 'PENDING' || order.totals.total.amount !== quote.totals.total.amount) {
  throw new Error(`not what was quoted: ${JSON.stringify(order)}`);
}

const page: OrderPage = expectData(await api.GET('/api/orders', { params: { query: { limit: 10 } } }));
if (!page.data.some(({ id }) => id === order.id)) throw new Error('the order is not in the list');

const cancelled = expectData(await api.PATCH('/api/orders/{orderId}/status', {
  params: { path: { orderId: order.id } },
  body: { status: 'CANCELLED', reason: 'a test' },
}));
if (cancelled.status !== 'CANCELLED') throw new Error(`not cancelled: ${cancelled.status}`);

const repeated = await api.PATCH('/api/orders/{orderId}/status', {
  params: { path: { orderId: order.id } },
  body: { status: 'CONFIRMED' },
});
const code: string | undefined = repeated.error?.code;
if (code !== 'illegal_transition' && code !== 'forbidden') throw new Error(`no problem: ${JSON.stringify(repeated.data)}`);

process.stdout.write(order.id);
