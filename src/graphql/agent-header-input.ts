/** Texts that may hold a secret, and the headers that agents' configs add to their calls. */
import { builder } from './builder.ts';

export const SecretTextInput = builder.inputType('SecretTextInput', {
  description:
    'A text, a secret, or a text with a secret behind it, such as `{ text: "Bearer ", secret: "api-token" }`; at least one of them.',
  fields: (t) => ({
    text: t.string({ description: 'Printable ASCII, at most 4096 characters. Anyone who may read the agent sees it.' }),
    secret: t.string({
      description:
        'The name of a secret of the project. Its value is put in when a call is made, and seen nowhere else.',
    }),
  }),
});

export const AgentHeaderInput = builder.inputType('AgentHeaderInput', {
  description: 'A header that goes along with every call.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'The name, at most 100 characters; not one of those that belong to the connection or the body.',
    }),
    value: t.field({ type: SecretTextInput, required: true, description: 'The value.' }),
  }),
});
