// A dialog that asks why before something is cancelled, handed back or reported as failed.

import { dialog, field, h } from './dom.js';
import { complain } from './notice.js';

const MAX_LENGTH = 200;

/**
 * Opens the dialog. `send(button, reason)` does what was asked for and resolves to something truthy when it is done, which
 * closes the dialog. `suggestions` are reasons to choose from, `extra` further controls of the form.
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
