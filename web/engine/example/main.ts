// The smallest chat: registers once, sends, shows what arrives. Start a server (`make run`), then in web/:
//   npx vite --config engine/example/vite.config.ts
import { CommandFailure, messageName, SottoEngine, type MessageView } from "@sotto/engine";

const engine = new SottoEngine({
  worker: () => new Worker(new URL("@sotto/engine/worker", import.meta.url), { type: "module" }),
  profile: "example",
});

const log = document.querySelector("#log");
const lines = new Map<string, HTMLElement>();

function show(message: MessageView): void {
  if (message.body.kind !== "text") return;
  const line = lines.get(message.name) ?? document.createElement("li");
  line.textContent = `${message.from_me ? "me" : "them"}: ${message.body.body} (${message.status})`;
  lines.set(message.name, line);
  log?.append(line);
}

engine.onHappening((happening) => {
  if (happening.event === "message_added" || happening.event === "message_changed") show(happening.message);
});

function value(id: string): string {
  return document.querySelector<HTMLInputElement>(id)?.value ?? "";
}

async function send(): Promise<void> {
  const { status } = await engine.command({ command: "status" });
  if (status.me === null) {
    const { recovery_code } = await engine.command({
      command: "register",
      server: location.origin,
      username: value("#username"),
      invite: null,
      device_name: "Example",
    });
    // A real app shows it, and asks for it back: it is the only way in when every device is lost.
    console.info("recovery code:", recovery_code);
  }
  const to = { name: value("#to") };
  await engine.command({ command: "send_text", to, body: value("#text"), name: messageName() });
}

document.querySelector("#form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  send().catch((error: unknown) => {
    const line = document.createElement("li");
    line.textContent = error instanceof CommandFailure ? `${error.kind}: ${error.message}` : String(error);
    log?.append(line);
  });
});
