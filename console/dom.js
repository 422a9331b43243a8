// Builds the page. Data becomes text nodes and attributes only, never markup.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element with attributes and children. A function under `onclick`, `oninput`, … becomes a listener,
 * `true` an empty attribute; `false`, `null` and `undefined` add no attribute.
 */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (name === 'value' && 'value' in element) element.value = value;
    else if (name === 'checked') element.checked = true;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  // The value of a select can be set only after its options.
  if (attributes?.value !== undefined && element.tagName === 'SELECT') element.value = attributes.value;
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replaces the children of an element. */
export function show(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

let fields = 0;

/** A labelled control with `options.hint` below it. The control keeps its own `name`. */
export function field(label, control, options = {}) {
  const id = `field-${++fields}`;
  control.id = id;
  const hint = options.hint ? h('p', { class: 'hint', id: `${id}-hint` }, options.hint) : null;
  if (hint) control.setAttribute('aria-describedby', hint.id);
  return h('div', { class: 'field', hidden: options.hidden }, h('label', { for: id }, label), control, hint);
}

/** A checkbox with its label; `input` is the control itself. */
export function checkbox(label, attributes) {
  const input = h('input', { type: 'checkbox', ...attributes });
  return { input, element: h('label', { class: 'check' }, input, label) };
}

/** A modal dialog that is removed from the page when it is closed. */
export function dialog(title, ...children) {
  const box = h('dialog', { 'aria-label': title }, h('h2', {}, title), ...children);
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}
