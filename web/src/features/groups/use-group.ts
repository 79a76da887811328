import type { ConversationView, GroupChange, GroupView } from "@sotto/engine";
import { useEffect, useRef, useState } from "react";
import { engine } from "../../engine/engine";
import { reasonOf } from "../../strings/reason";
import { t } from "../../strings/groups";
import { useReply } from "../settings/use-reply";

/** The whole group, read again when it or one of its members may have changed. */
export function useGroup(group: string): { view: GroupView | null; failure: unknown } {
  const members = useRef<ReadonlySet<string>>(new Set());
  const { reply, failure } = useReply({ command: "group", group }, (happening) => {
    switch (happening.event) {
      case "conversation_changed":
        return happening.conversation === group;
      case "contact_changed":
      case "key_changed":
        return members.current.has(happening.contact.account);
      default:
        return false;
    }
  });
  useEffect(() => {
    members.current = new Set(reply && [...reply.group.members, ...reply.group.requests].map(({ account }) => account));
  }, [reply]);
  return { view: reply?.group ?? null, failure };
}

export async function changeGroup(group: string, change: GroupChange): Promise<GroupView> {
  return (await engine.command({ command: "change_group", group, change })).group;
}

/** What one does at a press: at most one at a time, and what came of it if it failed. */
export function useAct(): { busy: boolean; failure: string | null; act: (work: () => Promise<unknown>) => Promise<boolean> } {
  const [state, setState] = useState<{ busy: boolean; failure: string | null }>({ busy: false, failure: null });
  const act = async (work: () => Promise<unknown>): Promise<boolean> => {
    setState({ busy: true, failure: null });
    try {
      await work();
      setState({ busy: false, failure: null });
      return true;
    } catch (error) {
      setState({ busy: false, failure: reasonOf(error) });
      return false;
    }
  };
  return { ...state, act };
}

export const titleOfGroup = (view: GroupView, listed: ConversationView | undefined): string => view.title ?? listed?.group?.title ?? t("name.group");
