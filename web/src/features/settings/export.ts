/** All messages of this device as JSON lines: docs in crates/engine/src/export.rs. */
import { engine } from "../../engine/engine";
import { saveFile } from "./save-file";

/** Reads page by page and saves the file; tells how many lines there are so far. Returns how many there were. */
export async function exportMessages(username: string, told: (lines: number) => void, stop: AbortSignal): Promise<number> {
  const parts: string[] = [];
  let count = 0;
  let next: string | null = null;
  do {
    const page: { lines: string[]; next: string | null } = await engine.command({ command: "export", next });
    stop.throwIfAborted();
    parts.push(page.lines.map((line) => `${line}\n`).join(""));
    count += page.lines.length;
    next = page.next;
    told(count);
  } while (next !== null);
  const date = new Date().toISOString().slice(0, 10);
  saveFile(`sotto-${username}-${date}.jsonl`, parts, "application/x-ndjson");
  return count;
}
