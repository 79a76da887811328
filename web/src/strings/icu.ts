/**
 * ICU messages, as far as this catalogue needs them: `{name}`, `{count, plural, =0 {…} one {…} other {# …}}`,
 * `{kind, select, a {…} other {…}}`, and apostrophes that quote braces. Written here because the general parser weighs more than
 * all the strings together, and every byte is loaded before the first message can be sent.
 */

type Part = string | { argument: string } | { number: true } | Choice;

interface Choice {
  choose: "plural" | "select";
  argument: string;
  cases: ReadonlyMap<string, readonly Part[]>;
}

export type Message = readonly Part[];
export type Values = Readonly<Record<string, string | number>>;

export function parse(source: string): Message {
  const reader = new Reader(source);
  const message = reader.message(false);
  if (!reader.atEnd) throw new SyntaxError(`unexpected "}" in the message "${source}"`);
  return message;
}

export function format(message: Message, values: Values, locale: string): string {
  return new Formatter(values, locale).format(message, null);
}

class Reader {
  private at = 0;

  constructor(private readonly source: string) {}

  get atEnd(): boolean {
    return this.at >= this.source.length;
  }

  message(inPlural: boolean): Part[] {
    const parts: Part[] = [];
    let text = "";
    const flush = () => {
      if (text !== "") parts.push(text);
      text = "";
    };
    while (!this.atEnd) {
      const char = this.source.charAt(this.at);
      if (char === "}") break;
      if (char === "{") {
        flush();
        parts.push(this.placeholder());
      } else if (char === "#" && inPlural) {
        flush();
        parts.push({ number: true });
        this.at++;
      } else if (char === "'") {
        text += this.quoted();
      } else {
        text += char;
        this.at++;
      }
    }
    flush();
    return parts;
  }

  /** Two apostrophes are one; one before a brace or # begins a quotation; any other is itself. */
  private quoted(): string {
    this.at++;
    const next = this.source.charAt(this.at);
    if (next === "'") {
      this.at++;
      return "'";
    }
    if (next === "" || !"{}#|".includes(next)) return "'";
    let text = "";
    while (!this.atEnd) {
      const char = this.source.charAt(this.at++);
      if (char !== "'") text += char;
      else if (this.source.charAt(this.at) === "'") text += this.source.charAt(this.at++);
      else break;
    }
    return text;
  }

  private placeholder(): Part {
    this.take("{");
    const argument = this.word();
    if (this.source.charAt(this.at) === "}") {
      this.at++;
      return { argument };
    }
    this.take(",");
    const choose = this.word();
    if (choose !== "plural" && choose !== "select") throw this.error(`no "${choose}" here`);
    this.take(",");
    const cases = new Map<string, readonly Part[]>();
    this.space();
    while (this.source.charAt(this.at) !== "}") {
      const name = this.word();
      this.take("{");
      cases.set(name, this.message(choose === "plural"));
      this.take("}");
      this.space();
    }
    this.take("}");
    if (!cases.has("other")) throw this.error('"other" is missing');
    return { choose, argument, cases };
  }

  private word(): string {
    this.space();
    const found = /^[=\w]+/u.exec(this.source.slice(this.at))?.[0];
    if (found === undefined) throw this.error("a name is missing");
    this.at += found.length;
    this.space();
    return found;
  }

  private take(char: string): void {
    this.space();
    if (this.source.charAt(this.at) !== char) throw this.error(`"${char}" is missing`);
    this.at++;
  }

  private space(): void {
    while (/\s/u.test(this.source.charAt(this.at))) this.at++;
  }

  private error(what: string): SyntaxError {
    return new SyntaxError(`${what}, at ${this.at} of the message "${this.source}"`);
  }
}

const plurals = new Map<string, Intl.PluralRules>();
const numbers = new Map<string, Intl.NumberFormat>();

class Formatter {
  constructor(
    private readonly values: Values,
    private readonly locale: string,
  ) {}

  format(message: Message, count: number | null): string {
    return message.map((part) => this.part(part, count)).join("");
  }

  private part(part: Part, count: number | null): string {
    if (typeof part === "string") return part;
    if ("number" in part) return count === null ? "#" : cached(numbers, this.locale, Intl.NumberFormat).format(count);
    const value = this.values[part.argument];
    if (value === undefined) throw new TypeError(`the message needs a value for {${part.argument}}`);
    if (!("choose" in part)) return String(value);
    const { cases } = part;
    const other = cases.get("other") ?? [];
    if (part.choose === "select") return this.format(cases.get(String(value)) ?? other, count);
    const number = Number(value);
    const rule = cached(plurals, this.locale, Intl.PluralRules).select(number);
    return this.format(cases.get(`=${number}`) ?? cases.get(rule) ?? other, number);
  }
}

function cached<T>(cache: Map<string, T>, locale: string, Kind: new (locale: string) => T): T {
  let made = cache.get(locale);
  if (made === undefined) {
    made = new Kind(locale);
    cache.set(locale, made);
  }
  return made;
}
