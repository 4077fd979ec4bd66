// Messages of the server begin with the kind of error, which programs need and people do not.

const KIND = /^PAWFECT_[A-Z_]+: /;

/** Return a message without its kind. */
export function plain(message: string): string {
  return message.replace(KIND, "");
}
