/** Texts of a config that may end in a secret, such as `{ text: "Bearer ", secret: "api-token" }`. */
import { z } from 'zod';

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$/;

/** A text, a secret by its name, or a text with a secret behind it. */
export const secretText = z
  .strictObject({
    text: z
      .string()
      .max(4_096)
      .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII')
      .nullish(),
    secret: z.string().regex(NAME, 'is no name of a secret').nullish(),
  })
  .refine(({ text, secret }) => text != null || secret != null, 'needs text, secret or both')
  .transform(({ text, secret }) => ({ ...(text != null && { text }), ...(secret != null && { secret }) }));
export type SecretText = z.output<typeof secretText>;

/** The text with its secret in place. */
export async function resolveText(
  { text = '', secret }: SecretText,
  secrets: (name: string) => Promise<string>,
): Promise<string> {
  return secret === undefined ? text : `${text}${await secrets(secret)}`;
}
