// Formats money and time in the user's locale.

import { now } from './api.js';

// Minor units of ISO 4217, as the server counts; browsers know others for some currencies, such as LBP. All others have two.
const WHOLE = 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'.split(' ');
const THOUSANDTHS = 'BHD IQD JOD KWD LYD OMR TND'.split(' ');

/** The number of decimal digits of a currency: 2 for EUR, 0 for JPY, 3 for KWD. */
export function exponent(currency) {
  return WHOLE.includes(currency) ? 0 : THOUSANDTHS.includes(currency) ? 3 : 2;
}

/** `{amount: 1250, currency: "EUR"}` as "€12.50". */
export function money(value) {
  if (!value) return '';
  const digits = exponent(value.currency);
  const style = { style: 'currency', currency: value.currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(undefined, style).format(value.amount / 10 ** digits);
}

/** "2,50" as 250 minor units of EUR; `null` when the text is no amount of this currency. */
export function minorUnits(text, currency) {
  const digits = exponent(currency);
  const match = /^(\d{1,13})(?:[.,](\d+))?$/.exec(text.trim());
  if (!match || (match[2] ?? '').length > digits) return null;
  return Number(match[1] + (match[2] ?? '').padEnd(digits, '0'));
}

/** The time of day of an instant; with the date when it is not today. */
export function clock(instant) {
  const at = new Date(instant);
  const today = at.toDateString() === new Date(now()).toDateString();
  const day = today ? {} : { day: 'numeric', month: 'short' };
  return new Intl.DateTimeFormat(undefined, { ...day, hour: '2-digit', minute: '2-digit' }).format(at);
}

/** "4 min", "1 h 5 min". */
export function span(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60000));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d`;
}

/** An instant relative to now: a text, and whether it is near or past. */
function standing(kind, instant) {
  const left = Date.parse(instant) - now();
  if (kind === 'since') return { words: left > -60000 ? 'just now' : `${span(-left)} ago`, mood: '' };
  const [ahead, past] = kind === 'accept' ? ['accept within', 'overdue'] : ['due in', 'late'];
  if (left < 0) return { words: kind === 'accept' ? past : left > -60000 ? 'due now' : `${span(-left)} ${past}`, mood: 'past' };
  return { words: `${ahead} ${span(left + 59999)}`, mood: left < 5 * 60000 ? 'near' : '' };
}

/** Updates `element` as time passes; `kind` is `since`, `due` or `accept`. */
export function timed(element, kind, instant) {
  element.dataset.timed = kind;
  element.dateTime = instant;
  retime(element);
  return element;
}

function retime(element) {
  const { words, mood } = standing(element.dataset.timed, element.dateTime);
  if (element.textContent !== words) element.textContent = words;
  element.dataset.mood = mood;
}

setInterval(() => document.querySelectorAll('[data-timed]').forEach(retime), 5000);

const WORDS = {
  PENDING: 'New', CONFIRMED: 'Accepted', PREPARING: 'Preparing', READY: 'Ready',
  ON_THE_WAY: 'On the way', DELIVERED: 'Delivered', CANCELLED: 'Cancelled',
  DELIVERY: 'Delivery', PICKUP: 'Pickup', DINE_IN: 'Dine-in',
  BICYCLE: 'Bicycle', SCOOTER: 'Scooter', CAR: 'Car', FOOT: 'On foot',
  WAITING: 'Waiting for a driver', OFFERED: 'Offered to a driver', ASSIGNED: 'Driver assigned',
  ARRIVED: 'Driver at the restaurant', PICKED_UP: 'Picked up', FAILED: 'Failed',
  OFFLINE: 'Off duty', AVAILABLE: 'Available', BUSY: 'On a delivery',
};

/** The label of an enum value. */
export function word(value) {
  return WORDS[value] ?? value;
}
