/** Bars above and in place of the composer, and above the log. */
import type { MessageView } from "@sotto/engine";
import { Copy, Forward, Pencil, Pin, Reply, Star, StarOff, Trash2, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { byPosition, keyOf } from "../../engine/order";
import { useApp } from "../../engine/store";
import { t } from "../../strings/messages";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { chooseNone, openDialog, useActing } from "../conversation/acting";
import { previewText } from "../list/preview";
import { useReply } from "../settings/use-reply";
import { copyAll, goTo, star } from "./actions";

/** What one answers or changes. */
export function WritingBar({ reply, edit, onClose }: { reply: MessageView | null; edit: MessageView | null; onClose: () => void }) {
  const message = edit ?? reply;
  if (message === null) return null;
  const title = edit !== null ? t("write.edit") : message.from_me ? t("write.reply_me") : t("write.reply", { name: message.from_name });
  return (
    <div className="writing-bar" role="group" aria-label={title}>
      <Icon icon={edit === null ? Reply : Pencil} directional />
      <span className="writing-text">
        <b>
          <bdi>{title}</bdi>
        </b>
        <span className="ellipsis" dir="auto">
          {previewText(message)}
        </span>
      </span>
      <IconButton label={t("write.cancel")} icon={X} small onClick={onClose} />
    </div>
  );
}

/** What is pinned in the conversation: one at a time, the newest first. A press goes there and shows the next. */
export function PinnedBar({ account }: { account: string }) {
  const [step, setStep] = useState({ of: "", at: 0 });
  const known = useRef<ReadonlySet<string>>(new Set());
  const { reply } = useReply({ command: "pinned", conversation: account }, (happening) => {
    switch (happening.event) {
      case "message_changed": {
        const { message } = happening;
        return message.conversation === account && (message.extras.pinned_until_ms !== null || known.current.has(keyOf(message)));
      }
      case "message_removed":
        return happening.conversation === account && [...known.current].some((key) => key.endsWith(`/${happening.name}`));
      default:
        return false;
    }
  });
  const pinned = reply?.messages ?? [];
  const keys = pinned.map(keyOf).join(" ");
  useEffect(() => {
    known.current = new Set(keys.split(" "));
  }, [keys]);
  // What is new is shown first.
  const at = step.of === keys ? step.at : 0;
  const message = pinned[at] ?? pinned[0];
  if (message === undefined) return null;
  return (
    <section className="pinned-bar" aria-label={t("pinned.label")}>
      <button
        type="button"
        onClick={() => {
          void goTo(message, account);
          setStep({ of: keys, at: (at + 1) % pinned.length });
        }}
      >
        {pinned.length > 1 && (
          <span className="pinned-steps" aria-hidden="true">
            {pinned.map((one, place) => (
              <i key={keyOf(one)} className={place === at ? "on" : ""} />
            ))}
          </span>
        )}
        <Icon icon={Pin} />
        <span className="writing-text">
          <b>{pinned.length > 1 ? t("pinned.at", { at: at + 1, count: pinned.length }) : t("pinned.one")}</b>
          <span className="ellipsis" dir="auto">
            {previewText(message)}
          </span>
        </span>
      </button>
    </section>
  );
}

/** What is done with the messages that are chosen; in place of the composer. */
export function ChosenBar() {
  const chosen = useActing((state) => state.chosen);
  const signedOut = useApp((state) => state.signedOut !== null);
  const messages = [...(chosen?.values() ?? [])].sort(byPosition);
  const none = messages.length === 0;
  const starred = !none && messages.every((message) => message.extras.starred);
  const hasText = messages.some((message) => message.body.kind === "text");
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open], .menu") !== null) return;
      // Before the shortcut that closes the chat.
      event.preventDefault();
      chooseNone();
    };
    addEventListener("keydown", onKeyDown, true);
    return () => removeEventListener("keydown", onKeyDown, true);
  }, []);
  return (
    <footer className="composer">
      {/* The way past the list leads here, as to the composer. */}
      <div id="composer" tabIndex={-1} className="chosen-bar" role="toolbar" aria-label={t("chosen.label")}>
        <IconButton label={t("chosen.leave")} icon={X} onClick={chooseNone} />
        <p role="status" className="num">
          {t("chosen.count", { count: messages.length })}
        </p>
        <IconButton label={t("menu.forward")} icon={Forward} disabled={none || signedOut} onClick={() => openDialog({ kind: "forward", messages })} />
        <IconButton
          label={t(starred ? "menu.unstar" : "menu.star")}
          icon={starred ? StarOff : Star}
          disabled={none}
          onClick={() => {
            star(messages, !starred);
            chooseNone();
          }}
        />
        <IconButton
          label={t("menu.copy")}
          icon={Copy}
          disabled={!hasText}
          onClick={() => {
            void copyAll(messages);
            chooseNone();
          }}
        />
        <IconButton label={t("menu.delete")} icon={Trash2} disabled={none} onClick={() => openDialog({ kind: "delete", messages })} />
      </div>
    </footer>
  );
}
