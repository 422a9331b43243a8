// Reads the JSON Schemas of OpenAPI 3.1: references, nullable types, merged objects, examples.

let root = {};

/** Sets the document that references are resolved in. */
export function setDocument(document) {
  root = document;
}

/** Resolves a reference like `#/components/schemas/Order`; returns any other value unchanged. */
export function follow(thing) {
  let at = thing;
  for (let hops = 0; at?.$ref && hops < 20; hops += 1) at = target(at.$ref);
  return at;
}

function target(reference) {
  return reference.replace(/^#\//, '').split('/')
    .map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((at, part) => at?.[part], root) ?? {};
}

const isNull = (schema) => schema?.type === 'null' || schema?.const === null
  || (Array.isArray(schema?.enum) && schema.enum.length === 1 && schema.enum[0] === null);

/**
 * A schema with resolved references, without `null`, and with merged `allOf`:
 * `{schema, name, nullable, variants}`. `variants` are the choices of a oneOf or anyOf that remain.
 */
export function look(given) {
  let schema = given === true || !given ? {} : given;
  let name = null;
  let nullable = false;
  for (let turns = 0; turns < 30; turns += 1) {
    const { $ref, oneOf, anyOf, allOf, ...rest } = schema;
    const choices = oneOf ?? anyOf;
    const real = choices?.filter((choice) => !isNull(choice));
    if ($ref) {
      name = $ref.split('/').pop();
      schema = { ...target($ref), ...rest };
    } else if (choices && real.length < choices.length) {
      nullable = true;
      schema = real.length === 1 ? { ...real[0], ...rest } : { ...rest, oneOf: real };
    } else if (real?.length === 1) {
      schema = { ...real[0], ...rest };
    } else if (allOf) {
      if (allOf.length > 1) name = null;
      schema = merge([...allOf, { ...rest, ...(choices && { oneOf: choices }) }]);
    } else {
      break;
    }
  }
  if (Array.isArray(schema.type)) {
    nullable ||= schema.type.includes('null');
    const types = schema.type.filter((type) => type !== 'null');
    schema = { ...schema, type: types.length === 1 ? types[0] : types };
  }
  if (nullable && Array.isArray(schema.enum)) schema = { ...schema, enum: schema.enum.filter((value) => value !== null) };
  return { schema, name, nullable, variants: schema.oneOf ?? schema.anyOf ?? null };
}

/** Merges the parts of `allOf`. A single part that is a reference stays a reference. */
function merge(parts) {
  const given = parts.filter((part) => Object.keys(part).length);
  const [only, rest] = given;
  if (given.length <= 2 && only?.$ref && !rest?.properties && !rest?.$ref && !rest?.allOf) return { ...only, ...rest };
  const whole = { type: 'object', properties: {}, required: [] };
  for (const part of given) {
    const { schema, variants } = look(part);
    const { properties, required, ...others } = schema;
    Object.assign(whole.properties, properties);
    whole.required.push(...(required ?? []));
    Object.assign(whole, others, variants && { oneOf: variants });
  }
  return whole;
}

/** The type as text: "string", "integer int64", "array of Item", "Money or null". */
export function typeWords(given) {
  const { schema, name, nullable, variants } = look(given);
  return `${name ?? plainType(schema, variants)}${nullable ? ' or null' : ''}`;
}

function plainType(schema, variants) {
  if (variants) return variants.map(typeWords).filter((word, at, all) => all.indexOf(word) === at).join(' or ');
  if (schema.type === 'array' || schema.items || schema.prefixItems) return `array of ${schema.items ? typeWords(schema.items) : 'anything'}`;
  const values = schema.additionalProperties;
  if (values && !schema.properties) return values === true ? 'map' : `map of ${typeWords(values)}`;
  const type = Array.isArray(schema.type) ? schema.type.join(' or ') : schema.type;
  const guessed = type ?? (schema.properties ? 'object' : schema.enum || schema.const !== undefined ? 'string' : 'anything');
  return schema.format ? `${guessed} ${schema.format}` : guessed;
}

/** The limits of a value as text. */
export function limits(schema) {
  const words = [];
  const range = (min, max, unit, one) => {
    if (min === undefined && max === undefined) return;
    const noun = unit && ` ${(max ?? min) === 1 ? one : unit}`;
    if (min === max) words.push(`exactly ${min}${noun}`);
    else if (min === undefined) words.push(`at most ${max}${noun}`);
    else if (max === undefined) words.push(`at least ${min}${noun}`);
    else words.push(`${min} to ${max}${noun}`);
  };
  range(schema.minimum, schema.maximum, '', '');
  if (schema.exclusiveMinimum !== undefined) words.push(`more than ${schema.exclusiveMinimum}`);
  if (schema.exclusiveMaximum !== undefined) words.push(`less than ${schema.exclusiveMaximum}`);
  range(schema.minLength, schema.maxLength, 'characters', 'character');
  range(schema.minItems, schema.maxItems, 'entries', 'entry');
  range(schema.minProperties, schema.maxProperties, 'entries', 'entry');
  if (schema.multipleOf !== undefined) words.push(`a multiple of ${schema.multipleOf}`);
  if (schema.uniqueItems) words.push('no entry twice');
  if (schema.readOnly) words.push('read only');
  if (schema.writeOnly) words.push('write only');
  return words;
}

/** The example that a schema states, or `undefined`. */
function ownExample(schema) {
  if (schema.example !== undefined) return schema.example;
  if (Array.isArray(schema.examples) && schema.examples.length) return schema.examples[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  return schema.const;
}

const SAMPLES = {
  'date-time': '2026-03-14T18:30:00Z', date: '2026-03-14', time: '18:30:00', email: 'ada@example.com',
  uuid: '0198c0de-0000-7000-8000-000000000001', uri: 'https://example.com/', password: 'correct horse battery',
};

/** A value that is valid for a schema. With `sparse`: only those optional fields that have an example. */
export function example(given, sparse = false, within = []) {
  const { schema, name, variants, nullable } = look(given);
  const own = ownExample(schema);
  if (own !== undefined) return own;
  if (name && within.includes(name)) return nullable ? null : {};
  const inner = name ? [...within, name] : within;
  if (variants) {
    const chosen = example(variants[0], sparse, inner);
    return schema.properties ? { ...fields(schema, sparse, inner), ...chosen } : chosen;
  }
  if (schema.enum?.length) return schema.enum[0];
  if (schema.properties) return fields(schema, sparse, inner);
  if (schema.type === 'array' || schema.items) return schema.items && !inner.includes(look(schema.items).name) ? [example(schema.items, sparse, inner)] : [];
  if (schema.type === 'object') return {};
  if (schema.type === 'boolean') return true;
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1;
  if (schema.type === 'string') return SAMPLES[schema.format] ?? 'text'.padEnd(schema.minLength ?? 0, ' text').slice(0, schema.maxLength);
  return null;
}

function fields(schema, sparse, within) {
  const required = schema.required ?? [];
  return Object.fromEntries(Object.entries(schema.properties)
    .filter(([key, value]) => !sparse || required.includes(key) || ownExample(look(value).schema) !== undefined)
    .filter(([, value]) => !(sparse && look(value).schema.readOnly))
    .map(([key, value]) => [key, example(value, sparse, within)]));
}

/** The example of a body: that of the media type, else one generated from its schema. */
export function bodyExample(media, sparse) {
  if (media.example !== undefined) return media.example;
  const first = follow(Object.values(media.examples ?? {})[0]);
  if (first?.value !== undefined) return first.value;
  return media.schema ? example(media.schema, sparse) : undefined;
}
