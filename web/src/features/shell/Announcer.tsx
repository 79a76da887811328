import { useEffect, useState } from "react";
import { isMuted, onHappenings, useApp } from "../../engine/store";
import { useWindow } from "../../engine/window";
import { t } from "../../strings";
import { isLine } from "../conversation/items";
import { titleOf } from "../conversation/naming";
import { speakerOf } from "../notify/notify";
import { previewText } from "../list/preview";

/** Says new messages to screen readers, a run of arrivals as one sentence. Backlogs and muted chats are not read out. */
export function Announcer() {
  const [said, setSaid] = useState("");
  useEffect(
    () =>
      onHappenings((happenings) => {
        const arrived = happenings.flatMap((happening) =>
          happening.event === "message_added" && !happening.backlog && !happening.message.from_me ? [happening.message] : [],
        );
        const last = arrived[arrived.length - 1];
        if (!last) return;
        const view = useApp.getState().conversations[last.conversation];
        const isOpen = useWindow.getState().account === last.conversation;
        if (!view || (isMuted(view) && !isOpen)) return;
        if (view.is_request) {
          setSaid(t("notify.request"));
          return;
        }
        if (isLine(last)) {
          // Who reads elsewhere need not hear it; it says by itself who did it.
          if (isOpen) setSaid(previewText(last));
          return;
        }
        const count = arrived.filter((message) => message.conversation === last.conversation).length;
        setSaid(
          count === 1 && isOpen
            ? t("chat.announce_text", { name: view.contact === null ? last.from_name : titleOf(view), text: previewText(last) })
            : t("chat.announce", { count, name: count === 1 ? speakerOf(view, last) : titleOf(view) }),
        );
      }),
    [],
  );
  return (
    <div className="sr" role="log" aria-live="polite" aria-label={t("chat.new_below")}>
      {said}
    </div>
  );
}
