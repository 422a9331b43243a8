// Short messages at the bottom of the page: errors and confirmations.

import { h } from './dom.js';

const region = document.getElementById('notices');

/** Shows a confirmation, which disappears automatically. */
export function tell(text) {
  const box = h('div', { class: 'notice', role: 'status' }, h('p', {}, text));
  region.append(box);
  setTimeout(() => box.remove(), 5000);
}

/** Shows an error with its detail, code and invalid fields, until it is closed. */
export function complain(problem) {
  const box = h('div', { class: 'notice bad', role: 'alert' }, details(problem),
    h('button', { type: 'button', class: 'plain', onclick: () => box.remove() }, 'Close'));
  // The same error twice in a row is shown once.
  for (const old of region.querySelectorAll('.bad')) {
    if (old.firstChild.textContent === box.firstChild.textContent) old.remove();
  }
  region.append(box);
  while (region.children.length > 4) region.firstChild.remove();
}

/** The text of an error, for a notice or below a form. */
export function details(problem) {
  const fields = (problem.errors ?? []).map((error) =>
    h('li', {}, error.pointer && h('code', {}, error.pointer), error.pointer && ' ', error.message ?? error.code));
  const small = [problem.code, problem.requestId && `request ${problem.requestId}`].filter(Boolean).join(' · ');
  return h('div', { class: 'problem' },
    problem.title && problem.title !== problem.message && h('strong', {}, problem.title),
    h('p', {}, problem.message),
    fields.length > 0 && h('ul', {}, fields),
    small && h('p', { class: 'code' }, small));
}

/** Runs `work` with the button disabled; an error is shown, and passed to `failed` if given. */
export async function attempt(button, work, failed) {
  if (button) button.disabled = true;
  // A new attempt closes the errors of the previous one.
  region.querySelectorAll('.bad').forEach((box) => box.remove());
  try {
    return await work();
  } catch (problem) {
    complain(problem);
    failed?.(problem);
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}
