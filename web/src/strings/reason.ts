import { CommandFailure } from "@sotto/engine";
import { t } from "./index";

/** What the engine or a library says is a clause ("this username is taken"); on the screen it is a sentence. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const end = /[.!?…]$/u.test(trimmed) ? "" : ".";
  return trimmed === "" ? "" : trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + end;
}

/** Why something failed, for the place where it failed. */
export function reasonOf(error: unknown): string {
  if (error instanceof CommandFailure) {
    switch (error.kind) {
      case "offline":
        return t("error.offline");
      case "storage":
        return t("error.storage");
      case "clock":
        return t("error.clock");
      case "internal":
        return t("error.internal", { reason: sentence(error.message) });
      default:
        return sentence(error.message);
    }
  }
  return sentence(error instanceof Error ? error.message : String(error));
}
