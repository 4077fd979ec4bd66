// The API's messages begin with the kind of error, which programs need and people do not.

const KIND = /^[A-Z][A-Z_]{3,}: /;

/** Return a message without its kind. */
export function plain(message: string): string {
  return message.replace(KIND, "");
}
