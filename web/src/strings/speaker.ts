import { format, parse, type Message, type Values } from "./icu";

/** The language of the catalogue: plural rules and number formats follow it, times follow the browser. */
const LOCALE = "en";

/** What says the messages of a catalogue; each is parsed when it is first said. */
export function speaker<Key extends string>(messages: Readonly<Record<Key, string>>) {
  const parsed = new Map<Key, Message>();
  return (key: Key, values: Values = {}): string => {
    let message = parsed.get(key);
    if (message === undefined) {
      message = parse(messages[key]);
      parsed.set(key, message);
    }
    return format(message, values, LOCALE);
  };
}
