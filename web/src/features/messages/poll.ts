/** What a poll may be; the engine checks the same. */
export const OPTIONS_MAX = 12;
const QUESTION_CHARS = 300;
const OPTION_CHARS = 100;

export type PollError = "poll.error.question" | "poll.error.few" | "poll.error.alike" | "poll.error.long";

const chars = (text: string): number => Array.from(text).length;

/** Fields that were left empty are no options. */
export function checkPoll(question: string, options: readonly string[]): { error: PollError } | { question: string; options: string[] } {
  const asked = question.trim();
  const given = options.map((option) => option.trim()).filter((option) => option !== "");
  if (asked === "" || chars(asked) > QUESTION_CHARS) return { error: "poll.error.question" };
  if (given.length < 2) return { error: "poll.error.few" };
  if (new Set(given).size < given.length) return { error: "poll.error.alike" };
  if (given.some((option) => chars(option) > OPTION_CHARS)) return { error: "poll.error.long" };
  return { question: asked, options: given };
}
