// What Rocket.Chat publishes about its own wire: validators of requests and of refusals, ready to be asked, and the
// shapes of its documents, from which `answer` puts together what an endpoint says.

import { register } from 'node:module';

import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

register('./typings_loader.mjs', import.meta.url);

/** Everything that @rocket.chat/rest-typings exports. */
export const typings = await import('@rocket.chat/rest-typings');
const { schemas } = await import('@rocket.chat/core-typings');

// The dialect of the published validators, but strict about types: an answer is not coerced into what it should be.
const ajv = new Ajv({ allowUnionTypes: true, discriminator: true, strict: false });
addFormats(ajv);
ajv.addFormat('basic_email', /^[^@]+@[^@]+$/);

/** A validator of a schema that may refer to the published documents. */
export function compile(schema) {
  return ajv.compile({ ...schema, components: schemas.components });
}

/** The published document of that name. */
export function document(name) {
  if (!schemas.components.schemas[name]) {
    throw new Error(`no document ${name} is published`);
  }
  return { $ref: `#/components/schemas/${name}` };
}

/** A document of which an endpoint shows these fields and no others; without `fields`, any of those it has. */
export function part(name, fields, more = {}) {
  const { properties } = schemas.components.schemas[name];
  const shown = fields ? Object.fromEntries(fields.map((field) => [field, properties[field]])) : properties;
  return { type: 'object', properties: { ...shown, ...more }, required: ['_id'], additionalProperties: false };
}

/** A list of these. */
export function list(items) {
  return { type: 'array', items };
}

/** A validator of a successful answer that has these properties and no others. */
export function answer(properties, optional = {}) {
  return compile({
    type: 'object',
    properties: { ...properties, ...optional, success: { const: true } },
    required: [...Object.keys(properties), 'success'],
    additionalProperties: false,
  });
}

/** What a validator has against what it was asked last, as the original tells its clients. */
export function objections(validator) {
  return (validator.errors ?? []).map(({ message }) => message).join('\n ');
}
