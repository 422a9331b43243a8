// The official Socket.IO client, driven by a test: one JSON line in is something to do, one JSON line out is something
// that happened. Runs as `node client.mjs URL TRANSPORT`, TRANSPORT being websocket or polling.

import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const [url, transport] = process.argv.slice(2);
let socket = null;

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const deeds = {
  // Connects anew with this `auth`; what came over an earlier connection has been said already.
  connect({ auth }) {
    socket?.close();
    socket = io(url, { transports: [transport], forceNew: true, reconnection: false, auth });
    socket.on('connect', () => say({ connected: socket.io.engine.transport.name }));
    socket.on('connect_error', (error) => say({ refused: error.message }));
    socket.on('disconnect', (reason) => say({ disconnected: reason }));
    socket.onAny((name, ...bodies) => say({ event: name, bodies }));
  },
  // Sends with an acknowledgement; `id` tells answers apart.
  ask({ name, args, id }) {
    socket.timeout(20_000).emit(name, ...args, (late, answer) => say({ id, answer: late ? null : answer }));
  },
  // Sends without asking for an answer.
  send({ name, args }) {
    socket.emit(name, ...args);
  },
  // Reads nothing any more from the connection, as a client does that was put to sleep.
  sleep() {
    socket.io.engine.transport.ws._socket.pause();
    say({ asleep: true });
  },
  // Reads again.
  wake() {
    socket.io.engine.transport.ws._socket.resume();
  },
  disconnect() {
    socket.disconnect();
  },
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { does, ...details } = JSON.parse(line);
    deeds[does](details);
  })
  // The test is over.
  .on('close', () => process.exit(0));
