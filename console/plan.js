// A map of points without a map service: dots at their true distances, and a pin that can be moved.

import { field, h, show, svg } from './dom.js';
import { complain } from './notice.js';

const WIDTH = 400;
const HEIGHT = 260;

/** The distance of two points in metres, precise enough within a city. */
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

/** Draws `points` ({place, label, kind}); with `picked`, a click calls it with the clicked point. */
export function plan(points, picked) {
  const known = points.filter((point) => point.place);
  const frame = frameOf(known.map((point) => point.place));
  const drawing = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: `plan${picked ? ' pick' : ''}`, role: 'img',
    'aria-label': known.map((point) => point.label).join(', ') || 'Map',
  }, rings(frame), known.map((point, at) => dot(point, frame, known.slice(at + 1))));
  if (picked) drawing.addEventListener('click', (event) => picked(hit(drawing, event, frame)));
  return drawing;
}

/** The centre of all points and the scale (units of the drawing per metre) that shows them with a margin. */
function frameOf(places) {
  const lats = places.map((place) => place.lat);
  const lngs = places.map((place) => place.lng);
  const middle = { lat: (Math.min(...lats) + Math.max(...lats)) / 2, lng: (Math.min(...lngs) + Math.max(...lngs)) / 2 };
  const squeeze = Math.cos((middle.lat * Math.PI) / 180);
  const north = Math.max(500, ((Math.max(...lats) - middle.lat) * 111195) * 1.3);
  const east = Math.max(500, ((Math.max(...lngs) - middle.lng) * 111195 * squeeze) * 1.5);
  return { middle, squeeze, scale: Math.min(HEIGHT / 2 / north, WIDTH / 2 / east) };
}

function at(place, { middle, scale, squeeze }) {
  return {
    x: WIDTH / 2 + (place.lng - middle.lng) * 111195 * squeeze * scale,
    y: HEIGHT / 2 - (place.lat - middle.lat) * 111195 * scale,
  };
}

function hit(drawing, event, { middle, scale, squeeze }) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  return {
    lat: middle.lat + (HEIGHT / 2 - y) / scale / 111195,
    lng: middle.lng + (x - WIDTH / 2) / scale / (111195 * squeeze),
  };
}

function rings({ scale }) {
  const reach = HEIGHT / 2 / scale;
  const step = [250, 500, 1000, 2000, 5000, 10000, 50000].find((size) => reach / size <= 3) ?? 200000;
  const circles = [];
  for (let radius = step; radius * scale < WIDTH / 2; radius += step) {
    circles.push(svg('circle', { cx: WIDTH / 2, cy: HEIGHT / 2, r: radius * scale, class: 'ring' }));
  }
  const name = step < 1000 ? `${step} m` : `${step / 1000} km`;
  return [circles, svg('text', { x: WIDTH / 2, y: HEIGHT / 2 - step * scale - 3, class: 'scale' }, name)];
}

function dot({ place, label, kind, quiet }, frame, later) {
  const { x, y } = at(place, frame);
  const turned = x > WIDTH * 0.66;
  // A label that another dot would cover is shown as a tooltip.
  const covered = later.some((other) => {
    const there = at(other.place, frame);
    return Math.abs(there.y - y) < 12 && Math.abs(there.x - x) < 80;
  });
  return svg('g', { class: `dot ${kind}` },
    svg('circle', { cx: x, cy: y, r: kind === 'shop' ? 5 : 8 }),
    quiet || covered ? svg('title', {}, label)
      : svg('text', { x: x + (turned ? -11 : 11), y: y + 4, 'text-anchor': turned ? 'end' : 'start' }, label));
}

/** A point rounded to five decimals, which is about a metre. */
function rounded({ lat, lng }) {
  return { lat: Number(lat.toFixed(5)), lng: Number(lng.toFixed(5)) };
}

/** Chooses a point: on a map of `points`, by numbers, or from the device. `get()` returns the point or `null`. */
export function placePicker({ label, start, points }) {
  const lat = h('input', { inputmode: 'decimal', autocomplete: 'off' });
  const lng = h('input', { inputmode: 'decimal', autocomplete: 'off' });
  const drawing = h('div', { class: 'drawing' });
  const number = (input, max) => {
    const value = Number(input.value.trim().replace(',', '.'));
    return input.value.trim() && Math.abs(value) <= max ? value : null;
  };
  const chosen = () => {
    const place = { lat: number(lat, 90), lng: number(lng, 180) };
    return place.lat === null || place.lng === null ? null : place;
  };
  const set = (place) => {
    const near = rounded(place);
    lat.value = String(near.lat);
    lng.value = String(near.lng);
    draw();
  };
  function draw() {
    const pin = chosen();
    const marked = [...points, ...(pin ? [{ place: pin, label, kind: 'pin' }] : [])];
    show(drawing, marked.length > 0 && plan(marked, set));
  }
  lat.addEventListener('change', draw);
  lng.addEventListener('change', draw);
  if (start) set(start);
  else draw();
  const here = navigator.geolocation && isSecureContext && h('button', {
    type: 'button',
    onclick: () => navigator.geolocation.getCurrentPosition(
      ({ coords }) => set({ lat: coords.latitude, lng: coords.longitude }),
      (error) => complain({ message: `The device did not report its location: ${error.message}` }), { timeout: 10000 }),
  }, 'Use my location');
  const element = h('fieldset', { class: 'picker' }, h('legend', {}, label), drawing,
    h('div', { class: 'pair' }, field('Latitude', lat), field('Longitude', lng), here));
  return { element, get: chosen, set };
}
