// Choosing the modifiers of an item: the dialog with its groups, and the text of a choice.

import { dialog, h, show } from './dom.js';
import { money } from './format.js';

/** The chosen modifiers as texts: "Large", "2× Cheese (Old)". */
export function chosenWords(modifiers) {
  return (modifiers ?? []).map(({ name, quantity, modifiers: nested }) => {
    const below = chosenWords(nested);
    return `${quantity > 1 ? `${quantity}× ` : ''}${name}${below.length ? ` (${below.join(', ')})` : ''}`;
  });
}

/** The choices as in requests: ids and quantities. */
export function choicesOf(modifiers) {
  return (modifiers ?? []).map(({ modifierId, quantity, modifiers: nested }) =>
    ({ modifierId, quantity, ...(nested?.length && { modifiers: choicesOf(nested) }) }));
}

/** Whether two lines have the same choices, in any order. */
export function sameChoices(one, other) {
  const text = (choices) => JSON.stringify(choicesOf(choices)
    .map((choice) => ({ ...choice, modifiers: JSON.stringify(choice.modifiers?.toSorted(byId) ?? []) })).toSorted(byId));
  return text(one) === text(other);
}

function byId(one, other) { return one.modifierId < other.modifierId ? -1 : 1; }

function bounds({ min, max }) {
  if (min === max) return `Choose ${min}`;
  if (min === 0) return max === 1 ? 'Optional' : `Optional, up to ${max}`;
  return `Choose ${min} to ${max}`;
}

/** The groups of an item or modifier with the chosen quantities: rows of `{modifier, quantity, nested}`. */
function statesOf(groupIds, groups, chosen) {
  return groupIds.map((id) => groups.get(id)).filter(Boolean).map((group) => ({
    group,
    wrong: false,
    rows: group.modifiers.map((modifier) => {
      const before = chosen.find(({ modifierId }) => modifierId === modifier.id);
      return {
        modifier,
        quantity: before?.quantity ?? 0,
        nested: statesOf(modifier.modifierGroups ?? [], groups, before?.modifiers ?? []),
      };
    }),
  }));
}

const countOf = ({ rows }) => rows.reduce((sum, { quantity }) => sum + quantity, 0);

function chosenOf(states) {
  return states.flatMap(({ rows }) => rows.filter(({ quantity }) => quantity > 0).map(({ modifier, quantity, nested }) => {
    const below = chosenOf(nested);
    return { modifierId: modifier.id, name: modifier.name, quantity, ...(below.length && { modifiers: below }) };
  }));
}

function extraOf(states) {
  return states.flatMap(({ rows }) => rows).reduce((sum, { modifier, quantity, nested }) =>
    sum + (quantity && quantity * (modifier.price.amount + extraOf(nested))), 0);
}

/** Marks the groups with too few or too many choices; returns the first of them, or `null`. */
function firstWrong(states) {
  let first = null;
  for (const state of states) {
    const count = countOf(state);
    state.wrong = count < state.group.min || count > state.group.max;
    const below = state.rows.filter(({ quantity }) => quantity > 0).map(({ nested }) => firstWrong(nested));
    first ??= (state.wrong ? state : null) ?? below.find(Boolean) ?? null;
  }
  return first;
}

/**
 * Asks for the modifiers of an item. `groups` are those of the menu by id, `chosen` the current choices; `take(choices)` is
 * called with the new choices and their names.
 */
export function askChoices({ item, groups, chosen = [], action, take }) {
  const states = statesOf(item.modifierGroups, groups, chosen);
  const body = h('div', { class: 'groups' });
  const button = h('button', { class: 'main' });
  let checked = false;

  function draw() {
    if (checked) firstWrong(states);
    const focused = document.activeElement?.dataset?.choice;
    show(body, states.map((state, at) => groupOf(state, `${at}`)));
    if (focused) body.querySelector(`[data-choice="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    button.textContent = `${action} · ${money({ ...item.price, amount: item.price.amount + extraOf(states) })}`;
  }

  function choose(state, row, quantity) {
    // In a group with one choice a new choice replaces the old one.
    if (state.group.max === 1 && quantity > 0) state.rows.forEach((other) => { other.quantity = 0; });
    row.quantity = quantity;
    draw();
  }

  function groupOf(state, place) {
    return h('fieldset', { class: `group${state.wrong ? ' wanting' : ''}`, 'data-group': place },
      h('legend', {}, state.group.name, ' ', h('span', { class: state.wrong ? 'wrong' : 'hint' }, bounds(state.group))),
      state.rows.map((row, at) => rowOf(state, row, `${place}.${at}`)));
  }

  function rowOf(state, row, place) {
    const { modifier } = row;
    const { min, max } = state.group;
    const isFull = max > 1 && countOf(state) >= max;
    const label = [h('span', { class: 'what' }, modifier.name), !modifier.orderable && h('span', { class: 'tag' }, 'Sold out'),
      modifier.price.amount > 0 && h('span', { class: 'price' }, `+${money(modifier.price)}`)];
    const nested = row.quantity > 0 && row.nested.length > 0
      && h('div', { class: 'nested' }, row.nested.map((below, at) => groupOf(below, `${place}.${at}`)));
    if (max === 1) {
      // An optional choice can be removed again, like a checkbox.
      const input = h('input', {
        type: min === 1 ? 'radio' : 'checkbox', name: `group-${place.replace(/\.\d+$/, '')}`, checked: row.quantity > 0,
        disabled: !modifier.orderable && row.quantity === 0, 'data-choice': place,
        onchange: () => choose(state, row, input.checked ? 1 : 0),
      });
      return [h('label', { class: 'check choice' }, input, label), nested];
    }
    const step = (by, sign, words) => h('button', {
      type: 'button', class: 'round', 'aria-label': `${words} ${modifier.name}`, 'data-choice': `${place}${sign}`,
      disabled: by > 0 ? isFull || !modifier.orderable : row.quantity === 0, onclick: () => choose(state, row, row.quantity + by),
    }, sign);
    return [h('div', { class: 'choice' }, label,
      h('div', { class: 'quantity' }, step(-1, '−', 'Remove one'), h('span', {}, row.quantity), step(1, '+', 'Add one'))), nested];
  }

  const box = dialog(item.name, h('form', {
    novalidate: true,
    onsubmit: (event) => {
      event.preventDefault();
      checked = true;
      if (firstWrong(states)) {
        draw();
        body.querySelector('.wanting')?.scrollIntoView({ block: 'nearest' });
        body.querySelector('.wanting :is(input, button):enabled')?.focus({ preventScroll: true });
        return;
      }
      box.close();
      take(chosenOf(states));
    },
  }, item.description && h('p', { class: 'hint' }, item.description), body,
  h('div', { class: 'steps' }, button, h('button', { type: 'button', onclick: () => box.close() }, 'Back'))));
  draw();
}
