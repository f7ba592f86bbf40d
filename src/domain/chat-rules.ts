/** The limits of chat agents, and the choices that their configs have. */

/** Limits of chat agents; `docs/chat-agents.md` has them for users. */
export const CHAT_LIMITS = {
  /** Characters of one message, its templates filled in and its documents attached. */
  messageLength: 4_000_000,
  /** Characters of one document. */
  documentLength: { min: 1, max: 2_000_000, default: 400_000 },
  /** Bytes of one image, before base64. */
  imageBytes: 20 * 1024 * 1024,
  /** Images of one message. */
  images: 50,
  /** Bytes of the endpoint's answer. */
  answerBytes: 16 * 1024 * 1024,
  schemaBytes: 64 * 1024,
  extraBodyBytes: 64 * 1024,
  fallbackModels: 8,
  stops: 16,
  stopLength: 200,
  tokens: 10_000_000,
  connectTimeoutMs: 10_000,
} as const;

/** The forms of answers, by the name of each. */
export const ANSWER_TYPES = ['TEXT', 'JSON', 'JSON_SCHEMA'] as const;

/** Which documents are attached to a message. */
export const ATTACH_RULES = ['AUTO', 'ALWAYS', 'NEVER'] as const;

/** What becomes of a document that is too long. */
export const TOO_LONG_RULES = ['FAIL', 'CUT'] as const;

/** How closely a model looks at images. */
export const IMAGE_DETAILS = ['AUTO', 'LOW', 'HIGH'] as const;
