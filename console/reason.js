// The dialog that asks for the reason of a cancellation, a hand-back or a failed delivery.

import { dialog, field, h } from './dom.js';
import { complain } from './notice.js';

const MAX_LENGTH = 200;

/**
 * Opens the dialog. `send(button, reason)` performs the action; if it resolves to a truthy value, the dialog is closed.
 * `suggestions` are reasons to choose from, `extra` further controls of the form.
 */
export function askReason({ title, action, hint, required = false, suggestions = [], extra = null, send }) {
  const text = h('input', { name: 'reason', maxlength: MAX_LENGTH, autocomplete: 'off', required });
  const choices = suggestions.map((reason) =>
    h('button', { type: 'button', onclick: () => { text.value = reason; text.focus(); } }, reason));
  const button = h('button', { class: 'danger' }, action);
  const submit = async (event) => {
    event.preventDefault();
    const reason = text.value.trim();
    if (required && !reason) { complain({ message: 'Enter a reason.' }); text.focus(); return; }
    if (await send(button, reason || undefined)) box.close();
  };
  const box = dialog(title, h('form', { onsubmit: submit },
    choices.length > 0 && h('div', { class: 'choices', role: 'group', 'aria-label': 'Suggested reasons' }, choices),
    field(required ? 'Reason' : 'Reason (optional)', text, { hint }), extra,
    h('div', { class: 'steps' }, button, h('button', { type: 'button', onclick: () => box.close() }, 'Back'))));
  text.focus();
}
