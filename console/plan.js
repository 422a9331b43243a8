// A plain plan of places without a map service: dots at their true distance, and a pin that can be moved.

import { field, h, show, svg } from './dom.js';
import { complain } from './notice.js';

const SIZE = 320;

/** Metres between two places, good enough within a city. */
export function metres(a, b) {
  const north = (a.lat - b.lat) * 111195;
  const east = (a.lng - b.lng) * 111195 * Math.cos((a.lat * Math.PI) / 180);
  return Math.hypot(north, east);
}

/** "350 m", "2.4 km". */
export function distance(a, b) {
  const far = metres(a, b);
  const [value, unit] = far < 950 ? [Math.round(far / 50) * 50, 'meter'] : [Number((far / 1000).toFixed(1)), 'kilometer'];
  return new Intl.NumberFormat(undefined, { style: 'unit', unit }).format(value);
}

/** Draws `points` ({place, label, kind}); with `picked`, a click says which place it hit. */
export function plan(points, picked) {
  const known = points.filter((point) => point.place);
  const frame = frameOf(known.map((point) => point.place));
  const drawing = svg('svg', {
    viewBox: `0 0 ${SIZE} ${SIZE}`, class: `plan${picked ? ' pick' : ''}`, role: 'img',
    'aria-label': known.map((point) => point.label).join(', ') || 'Plan',
  }, rings(frame), known.map((point) => dot(point, frame)));
  if (picked) drawing.addEventListener('click', (event) => picked(hit(drawing, event, frame)));
  return drawing;
}

function frameOf(places) {
  const lats = places.map((place) => place.lat);
  const lngs = places.map((place) => place.lng);
  const middle = { lat: (Math.min(...lats) + Math.max(...lats)) / 2, lng: (Math.min(...lngs) + Math.max(...lngs)) / 2 };
  const reach = Math.max(600, ...places.map((place) => metres(middle, place) * 1.25));
  return { middle, reach, scale: SIZE / 2 / reach, squeeze: Math.cos((middle.lat * Math.PI) / 180) };
}

function at(place, { middle, scale, squeeze }) {
  return {
    x: SIZE / 2 + (place.lng - middle.lng) * 111195 * squeeze * scale,
    y: SIZE / 2 - (place.lat - middle.lat) * 111195 * scale,
  };
}

function hit(drawing, event, { middle, scale, squeeze }) {
  const box = drawing.getBoundingClientRect();
  const east = ((event.clientX - box.left) / box.width * SIZE - SIZE / 2) / scale;
  const north = (SIZE / 2 - (event.clientY - box.top) / box.height * SIZE) / scale;
  const round = (value) => Number(value.toFixed(5));
  return { lat: round(middle.lat + north / 111195), lng: round(middle.lng + east / (111195 * squeeze)) };
}

function rings({ reach, scale }) {
  const step = [250, 500, 1000, 2000, 5000, 10000, 50000].find((size) => reach / size <= 4) ?? 200000;
  const circles = [];
  for (let radius = step; radius < reach; radius += step) {
    circles.push(svg('circle', { cx: SIZE / 2, cy: SIZE / 2, r: radius * scale, class: 'ring' }));
  }
  const name = step < 1000 ? `${step} m` : `${step / 1000} km`;
  return [circles, svg('text', { x: SIZE / 2, y: SIZE / 2 - step * scale - 3, class: 'scale' }, name)];
}

function dot({ place, label, kind, quiet }, frame) {
  const { x, y } = at(place, frame);
  const turned = x > SIZE * 0.66;
  return svg('g', { class: `dot ${kind}` },
    svg('circle', { cx: x, cy: y, r: kind === 'shop' ? 5 : 8 }),
    quiet ? svg('title', {}, label) : svg('text', { x: x + (turned ? -11 : 11), y: y + 4, 'text-anchor': turned ? 'end' : 'start' }, label));
}

/** Chooses a place: on a plan of `points`, by numbers, or from the device. `get()` is the place or `null`. */
export function placePicker({ label, start, points }) {
  const lat = h('input', { inputmode: 'decimal', autocomplete: 'off', value: start ? String(start.lat) : '' });
  const lng = h('input', { inputmode: 'decimal', autocomplete: 'off', value: start ? String(start.lng) : '' });
  const drawing = h('div', { class: 'drawing' });
  const number = (input, most) => {
    const value = Number(input.value.trim().replace(',', '.'));
    return input.value.trim() && Math.abs(value) <= most ? value : null;
  };
  const chosen = () => {
    const place = { lat: number(lat, 90), lng: number(lng, 180) };
    return place.lat === null || place.lng === null ? null : place;
  };
  const set = (place) => { lat.value = String(place.lat); lng.value = String(place.lng); draw(); };
  function draw() {
    const pin = chosen();
    const marked = [...points, ...(pin ? [{ place: pin, label, kind: 'pin' }] : [])];
    show(drawing, marked.length > 0 && plan(marked, set));
  }
  lat.addEventListener('change', draw);
  lng.addEventListener('change', draw);
  draw();
  const here = navigator.geolocation && isSecureContext && h('button', {
    type: 'button',
    onclick: () => navigator.geolocation.getCurrentPosition(
      ({ coords }) => set({ lat: Number(coords.latitude.toFixed(5)), lng: Number(coords.longitude.toFixed(5)) }),
      (error) => complain({ message: `The device did not tell its place: ${error.message}` }), { timeout: 10000 }),
  }, 'Where I am');
  const element = h('fieldset', { class: 'picker' }, h('legend', {}, label), drawing,
    h('div', { class: 'pair' }, field('Latitude', lat), field('Longitude', lng), here));
  return { element, get: chosen, set };
}
