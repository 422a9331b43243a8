// A schema as an expandable tree of fields.

import { h } from './dom.js';
import { markdown } from './docs-markdown.js';
import { limits, look, typeWords } from './docs-schema.js';

/** The fields of a schema; a value without fields is shown as one line. */
export function tree(schema) {
  const children = parts(schema);
  return children.length ? h('ul', { class: 'fields' }, children.map(line)) : h('ul', { class: 'fields' }, line({ schema, whole: true }));
}

/** The parts of a schema: `[{name, schema, required}]`; names in angle brackets are not keys. */
function parts(given) {
  const { schema, variants } = look(given);
  const required = schema.required ?? [];
  const own = Object.entries(schema.properties ?? {})
    .map(([name, inner]) => ({ name, schema: inner, required: required.includes(name) }));
  if (variants) return [...own, ...variants.filter((variant) => !plainChoice(variant)).map((variant, at) => ({ name: label(variant, at), quiet: true, schema: variant }))];
  if (schema.items) return nested(schema.items) ? parts(schema.items) : [];
  const values = schema.additionalProperties;
  if (values && values !== true && nested(values)) return [...own, { name: 'any key', quiet: true, schema: values }];
  return own;
}

const plainChoice = (variant) => look(variant).schema.const !== undefined;
const nested = (schema) => parts(schema).length > 0;

function label(variant, at) {
  const { schema, name } = look(variant);
  return schema.title ?? name ?? mark(schema) ?? `choice ${at + 1}`;
}

/** The discriminator of a variant: its field with a single possible value. */
function mark(schema) {
  const found = Object.entries(schema.properties ?? {}).map(([key, value]) => [key, values(look(value).schema)]).find(([, all]) => all.length === 1);
  return found && `${found[0]}: ${found[1][0]}`;
}

function line({ name, schema: given, required, quiet, whole }) {
  const { schema } = look(given);
  const inside = whole ? [] : parts(given);
  const item = h('li', {});
  const title = [
    name && (quiet ? h('em', { class: 'key' }, name) : h('code', { class: 'key' }, name)),
    ' ', typeLink(given),
    required && h('span', { class: 'required' }, 'required'),
    schema.deprecated && h('span', { class: 'old' }, 'deprecated'),
  ];
  const head = h('div', { class: 'fieldhead' });
  item.append(head);
  if (inside.length) {
    const box = h('div', { class: 'inside', hidden: true });
    const toggle = h('button', {
      type: 'button', class: 'open', 'aria-expanded': 'false', 'aria-label': `Fields of ${name ?? 'this'}`,
      onclick: () => {
        // Filled when first opened: a schema may contain itself.
        if (!box.hasChildNodes()) box.append(tree(given));
        box.hidden = !box.hidden;
        toggle.setAttribute('aria-expanded', String(!box.hidden));
      },
    });
    head.append(toggle, ...title.filter(Boolean));
    item.append(...notes(schema), box);
  } else {
    head.append(...title.filter(Boolean));
    item.append(...notes(schema));
  }
  return item;
}

/** The type as text; a named schema links to its page. */
function typeLink(given) {
  const { schema, name, nullable } = look(given);
  if (name) return h('span', { class: 'type' }, h('a', { href: `#schema/${name}` }, name), nullable && ' or null');
  const items = schema.items && look(schema.items);
  if (items?.name) return h('span', { class: 'type' }, 'array of ', h('a', { href: `#schema/${items.name}` }, items.name), nullable && ' or null');
  return h('span', { class: 'type' }, typeWords(given));
}

/** The details of a value: description, limits, possible values, default, example. */
export function notes(schema) {
  const choices = values(schema);
  const show = (word, value) => h('p', { class: 'note' }, word, ' ', h('code', {}, typeof value === 'string' ? value : JSON.stringify(value)));
  const given = schema.example ?? schema.examples?.[0];
  return [
    markdown(schema.description),
    limits(schema).length > 0 && h('p', { class: 'note' }, limits(schema).join(' · ')),
    schema.pattern && show('pattern', schema.pattern),
    choices.length > 0 && h('p', { class: 'note' }, choices.length === 1 ? 'always ' : 'one of ',
      choices.map((choice, at) => [at > 0 && ' ', h('code', { class: 'choice' }, String(choice))])),
    schema.default !== undefined && schema.default !== null && show('default', schema.default),
    given !== undefined && !(given && typeof given === 'object') && show('such as', given),
  ].filter(Boolean);
}

function values(schema) {
  if (schema.enum) return schema.enum;
  if (schema.const !== undefined) return [schema.const];
  const choices = (schema.oneOf ?? schema.anyOf ?? []).map((choice) => look(choice).schema.const);
  return choices.filter((choice) => choice !== undefined);
}
