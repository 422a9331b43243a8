// The live connection: one socket for the page, rooms that resume where they stopped.

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
    // A plain WebSocket needs no load balancer that remembers; polling is the way round a proxy that forbids it.
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 5000,
    auth: (give) => give({ token: accessToken() }),
  });
  socket.on('connect', () => { refused = false; rooms.forEach(enter); report(); });
  socket.on('disconnect', (reason) => {
    rooms.forEach((room) => { room.joined = false; });
    // The client comes back by itself unless the server was the one to hang up.
    if (reason === 'io server disconnect') setTimeout(() => socket?.connect(), 1000);
    report();
  });
  // Before the token ends: whoever renews it in time is not disconnected.
  socket.on('auth:expiring', async () => {
    if (await renewSession().catch(() => false)) socket?.emit('auth:renew', { token: accessToken() });
  });
  socket.on('connect_error', (error) => {
    if (error.message === 'unauthorized') { renew(); return; }
    report();
    // Refused by the server (too many sockets are open), not by the network: the client does not try again by itself.
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
  // Without an answer nothing is known of the session: the server is asked again.
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
    // Without a position to resume from, what happened before is unknown: read it again.
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

/** An event does not name the room it came through; its ids do. */
function concerns(room, event) {
  if (room.kind === 'restaurant') return event.restaurantId === room.id;
  if (room.kind === 'order') return event.orderId === room.id;
  if (room.kind === 'delivery') return event.deliveryId === room.id;
  return true;
}

/**
 * Joins a room. `event(name, payload)` gets what happens, `fresh()` says that everything has to be read anew,
 * `refuse(error)` that the room is closed to us. Returns the function that leaves again.
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

/** Calls `watcher(state)` at each change. */
export function watch(watcher) {
  watchers.add(watcher);
  watcher(state());
}

function report() {
  const current = state();
  watchers.forEach((watcher) => watcher(current));
}

/** Hangs up and forgets all rooms: somebody signed out. */
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
