// The live connection: one socket for the page; rooms resume after the last event that was received.

import { io } from './vendor/socket.io-client/socket.io.esm.min.js';
import { accessToken, renewSession } from './api.js';

const rooms = new Map();
const watchers = new Set();
let socket = null;
let refused = false;

/** Opens the connection if it is not open. */
function open() {
  if (socket) return;
  socket = io({
    // A WebSocket needs no sticky sessions at a load balancer; polling is for proxies that block WebSockets.
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 5000,
    auth: (give) => give({ token: accessToken() }),
  });
  socket.on('connect', () => { refused = false; rooms.forEach(enter); report(); });
  socket.on('disconnect', (reason) => {
    rooms.forEach((room) => { room.joined = false; });
    // The client reconnects automatically unless the server disconnected it.
    if (reason === 'io server disconnect') setTimeout(() => socket?.connect(), 1000);
    report();
  });
  // Before the token expires: a client that refreshes it in time is not disconnected.
  socket.on('auth:expiring', async () => {
    if (await renewSession().catch(() => false)) socket?.emit('auth:renew', { token: accessToken() });
  });
  socket.on('connect_error', (error) => {
    if (error.message === 'unauthorized') { renew(); return; }
    report();
    // Refused by the server (too many sockets are open): the client does not reconnect automatically.
    const opened = socket;
    if (!opened.active) setTimeout(() => { if (socket === opened) opened.connect(); }, 10000);
  });
  socket.onAny(deliver);
}

async function renew() {
  if (refused) return;
  refused = true;
  report();
  const opened = socket;
  const renewed = await renewSession().catch(() => null);
  if (renewed === false) return;
  refused = false;
  // Without a response the state of the session is unknown, so the request is repeated.
  setTimeout(() => { if (socket === opened) opened?.connect(); }, renewed ? 0 : 3000);
}

function enter(room) {
  const resuming = room.seq !== null;
  const ask = { room: room.name, ...(resuming && { after: room.seq }) };
  socket.timeout(10000).emit('join', ask, (late, answer) => {
    if (rooms.get(room.name) !== room) return;
    if (late) { if (socket?.connected) socket.disconnect().connect(); return; }
    if (!answer.ok && resuming) { room.seq = null; enter(room); return; }
    room.joined = answer.ok;
    room.error = answer.ok ? null : answer.error;
    if (answer.ok) room.seq = Math.max(room.seq ?? 0, answer.seq ?? 0);
    report();
    // Without a position to resume from, earlier events are unknown, so the data is read again.
    if (answer.ok && !resuming) room.fresh();
    if (!answer.ok) room.refuse(answer.error);
  });
}

function deliver(name, event) {
  if (!event || typeof event !== 'object') return;
  for (const room of rooms.values()) {
    if (!concerns(room, event)) continue;
    room.event(name, event);
    if (Number.isFinite(event.seq)) room.seq = Math.max(room.seq ?? 0, event.seq);
  }
}

/** Whether an event belongs to a room, by its ids: an event does not name its room. */
function concerns(room, event) {
  if (room.kind === 'restaurant') return event.restaurantId === room.id;
  if (room.kind === 'order') return event.orderId === room.id;
  if (room.kind === 'delivery') return event.deliveryId === room.id;
  return true;
}

/**
 * Joins a room. `event(name, payload)` is called for each event, `fresh()` when all data must be read again,
 * `refuse(error)` when the server refuses the room. Returns the function that leaves the room.
 */
export function join(name, { event, fresh = () => {}, refuse = () => {} }) {
  open();
  const [kind, id] = [name.slice(0, name.indexOf(':')), name.slice(name.indexOf(':') + 1)];
  const room = { name, kind, id, seq: null, joined: false, error: null, event, fresh, refuse };
  rooms.set(name, room);
  if (socket.connected) enter(room);
  report();
  return () => {
    if (rooms.get(name) !== room) return;
    rooms.delete(name);
    if (socket?.connected) socket.emit('leave', { room: name });
    report();
  };
}

/** `idle`, `live`, `joining`, `refused` or `lost`. */
export function state() {
  if (!rooms.size) return 'idle';
  if (refused) return 'refused';
  if (!socket?.connected) return 'lost';
  const all = [...rooms.values()];
  if (all.some((room) => room.error)) return 'refused';
  return all.every((room) => room.joined) ? 'live' : 'joining';
}

/** Calls `watcher(state)` after each change. */
export function watch(watcher) {
  watchers.add(watcher);
  watcher(state());
}

function report() {
  const current = state();
  watchers.forEach((watcher) => watcher(current));
}

/** Closes the connection and leaves all rooms, after signing out. */
export function close() {
  rooms.clear();
  socket?.disconnect();
  socket = null;
  refused = false;
  report();
}

function wake() {
  if (socket && !socket.connected && !refused && document.visibilityState === 'visible') socket.connect();
}
document.addEventListener('visibilitychange', wake);
addEventListener('online', wake);
