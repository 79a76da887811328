import { messageName as newName, type ConversationView, type Mention } from "@sotto/engine";
import { ArrowUp, Check, Plus, Smile } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type ComponentType } from "react";
import { engine } from "../../engine/engine";
import { typed } from "../../engine/presence";
import { sendText, take, useWindow } from "../../engine/window";
import { t } from "../../strings";
import { reasonOf } from "../../strings/reason";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { MenuButton } from "../../ui/Menu";
import { openDialog, startEdit, startReply, stopWriting, useActing } from "../conversation/acting";
import { useRich } from "../conversation/rich";
import { isTyping } from "../shortcuts/keys";
import { attachMenu } from "./attach";
import { Draft } from "./drafts";
import type { MentionPopupProps } from "./MentionPopup";
import { keepMentions, keptMentions, moveMentions, putMention, queryAt, trimMentions, type MentionQuery } from "./mentions";
import "./composer.css";

const EmojiPopover = lazy(async () => ({ default: (await import("./EmojiPopover")).EmojiPopover }));

// What cannot be loaded now is done without: the name can be typed.
const loadMentions = async (): Promise<{ default: ComponentType<MentionPopupProps> }> => {
  try {
    return { default: (await import("./MentionPopup")).MentionPopup };
  } catch {
    return { default: () => null };
  }
};
const MentionPopup = lazy(loadMentions);

/** What a message may hold, in bytes of UTF-8; and from where on people are told how much is left. */
const BYTES_MAX = 32 * 1024;
const BYTES_TELL = 30 * 1024;
const LINES_MAX = 8;

const encoder = new TextEncoder();

/** Where there is no keyboard with a Shift key, Enter makes a line, and the button sends. */
const enterSends = () => !matchMedia("(pointer: coarse) and (hover: none)").matches;

export function Composer({ view, name }: { view: ConversationView; name: string }) {
  const account = view.conversation;
  const [draft] = useState(() => new Draft(account, view.draft ?? ""));
  const [text, setText] = useState(draft.begin);
  const [mentions, setMentions] = useState(() => keptMentions(account, draft.begin));
  const [naming, setNaming] = useState<MentionQuery | null>(null);
  const [chosen, setChosen] = useState<{ list: string; option: string | null } | null>(null);
  // Closed by Escape: stays so while this one "@" is being typed behind.
  const closedAt = useRef<number | null>(null);
  const popupKeys = useRef<((event: React.KeyboardEvent) => boolean) | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [emoji, setEmoji] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const emojiButton = useRef<HTMLButtonElement>(null);
  const emojiWasOpen = useRef(false);
  // The name of what could not be saved: sent once more, it must not become two messages.
  const failed = useRef<{ body: string; name: string } | null>(null);
  const isGroup = view.group !== null;
  const reply = useActing((state) => state.reply);
  const edit = useActing((state) => state.edit);
  const rich = useRich(reply !== null || edit !== null);

  const bytes = useMemo(() => (text.length * 3 < BYTES_TELL ? 0 : encoder.encode(text.trim()).length), [text]);
  const body = text.trim();
  const canSend = body !== "" && bytes <= BYTES_MAX;

  useLayoutEffect(() => grow(area.current), [text]);
  useEffect(() => {
    const onResize = () => grow(area.current);
    addEventListener("resize", onResize);
    return () => removeEventListener("resize", onResize);
  }, []);
  useEffect(() => {
    const flush = () => draft.flush();
    flush();
    const leave = () => draft.leave();
    addEventListener("pagehide", leave);
    document.addEventListener("visibilitychange", flush);
    return () => {
      removeEventListener("pagehide", leave);
      document.removeEventListener("visibilitychange", flush);
      flush();
    };
  }, [draft]);
  useEffect(() => {
    // In the next frame, with the messages: before them, the focus alone would lay out the page.
    const frame = requestAnimationFrame(() => {
      // A keyboard on the screen would cover what somebody came to read.
      if (enterSends() && !isTyping(document.activeElement)) area.current?.focus({ preventScroll: true });
    });
    return () => cancelAnimationFrame(frame);
  }, []);
  useTypingStarts(area);
  useEffect(() => () => typed(account, false), [account]);

  const write = useCallback(
    (next: string, named: readonly Mention[]) => {
      setText(next);
      setMentions(named);
      setFailure(null);
      // What one changes is no draft.
      if (useActing.getState().edit !== null) return;
      keepMentions(account, next, named);
      draft.change(next);
      if (!view.is_me) typed(account, next.trim() !== "");
    },
    [account, draft, view.is_me],
  );

  // A text that is changed takes the place of what was being written, which comes back afterwards.
  const [aside, setAside] = useState<{ text: string; mentions: readonly Mention[] } | null>(null);
  const [edited, setEdited] = useState<typeof edit>(null);
  if (edited !== edit) {
    setEdited(edit);
    setFailure(null);
    const { body: said } = edit ?? {};
    const next = edit === null ? aside : said?.kind === "text" ? { text: said.body, mentions: said.mentions ?? [] } : null;
    setAside(edit === null ? null : (aside ?? { text, mentions }));
    if (next !== null) {
      setText(next.text);
      setMentions(next.mentions);
    }
  }
  useEffect(() => {
    // After the menu that led here has given the focus back.
    if (reply === null && edit === null) return;
    const frame = requestAnimationFrame(() => requestAnimationFrame(() => area.current?.focus({ preventScroll: true })));
    return () => cancelAnimationFrame(frame);
  }, [reply, edit]);

  /** `caret`: where the cursor stands afterwards. */
  const change = (next: string, caret: number | null) => {
    const named = moveMentions(text, next, caret, mentions);
    write(next, named);
    look(next, caret, named);
  };

  /** Whether a name is being typed where the cursor stands. */
  const look = (next: string, caret: number | null, named: readonly Mention[]) => {
    if (!isGroup) return;
    const found = caret === null ? null : queryAt(next, caret, named);
    if (found?.at !== closedAt.current) closedAt.current = null;
    const query = closedAt.current === null ? found : null;
    if (query?.at !== naming?.at || query?.query !== naming?.query) setNaming(query);
    if (query === null) setChosen(null);
  };

  // The cursor moves without a change too.
  useEffect(() => {
    const onSelection = () => {
      const node = area.current;
      if (node === null || document.activeElement !== node) return;
      const { value, selectionStart, selectionEnd } = node;
      look(value, selectionStart === selectionEnd ? selectionStart : null, mentions);
    };
    document.addEventListener("selectionchange", onSelection);
    return () => document.removeEventListener("selectionchange", onSelection);
  });

  const closeNames = () => {
    closedAt.current = naming?.at ?? null;
    setNaming(null);
    setChosen(null);
  };

  const mention = (chosenName: string, of: string | null) => {
    if (naming === null) return;
    const put = putMention(text, naming, chosenName, of, mentions);
    write(put.text, put.mentions);
    setNaming(null);
    setChosen(null);
    const node = area.current;
    node?.focus({ preventScroll: true });
    requestAnimationFrame(() => node?.setSelectionRange(put.caret, put.caret));
  };
  const onActive = useCallback((list: string, option: string | null) => setChosen({ list, option }), []);

  const send = async () => {
    if (!canSend) return;
    if (edit !== null) {
      await saveEdit(edit);
      return;
    }
    const again = failed.current?.body === body ? failed.current.name : undefined;
    const messageName = again ?? newName();
    const named = mentions;
    const answered = reply;
    stopWriting();
    write("", []);
    closedAt.current = null;
    setNaming(null);
    setChosen(null);
    draft.flush();
    area.current?.focus({ preventScroll: true });
    try {
      const reply_to = answered && { from: answered.from, name: answered.name };
      await sendText(account, { body, mentions: trimMentions(text, named), name: messageName, reply_to });
      failed.current = null;
    } catch (error) {
      failed.current = { body, name: messageName };
      if (answered !== null) startReply(answered);
      setFailure(reasonOf(error));
      // What was written since stays, below what could not be sent.
      setText((now) => (now === "" ? body : `${body}\n${now}`));
      setMentions((now) => [...trimMentions(text, named), ...now.map((mention) => ({ ...mention, start: mention.start + body.length + 1 }))]);
      draft.change(body);
    }
  };

  const saveEdit = async (message: NonNullable<typeof edit>) => {
    setFailure(null);
    try {
      const reference = { from: message.from, name: message.name };
      const changed = await engine.command({ command: "edit", message: reference, body, mentions: trimMentions(text, mentions) });
      take([changed.message]);
      stopWriting();
    } catch (error) {
      setFailure(reasonOf(error));
    }
  };

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (!event.nativeEvent.isComposing && popupKeys.current?.(event)) return;
    if (event.key === "Escape" && (reply !== null || edit !== null)) {
      event.preventDefault();
      stopWriting();
      return;
    }
    if (event.key === "ArrowUp" && text === "" && !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      const last = lastEditable(account);
      if (last !== undefined) {
        event.preventDefault();
        startEdit(last);
      }
      return;
    }
    // While an input method composes, Enter belongs to it; at its end Safari says so by nothing but the code 229.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    if (event.key !== "Enter" || event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.shiftKey || event.altKey || (!enterSends() && !event.ctrlKey && !event.metaKey)) return;
    event.preventDefault();
    void send();
  };

  const sendLabel = t(edit === null ? "composer.send" : "composer.save");
  const closeEmoji = useCallback(() => {
    setEmoji(false);
    area.current?.focus({ preventScroll: true });
  }, []);

  const insert = (emoji: string) => {
    const node = area.current;
    const [from, to] = node ? [node.selectionStart, node.selectionEnd] : [text.length, text.length];
    const caret = from + emoji.length;
    change(text.slice(0, from) + emoji + text.slice(to), caret);
    requestAnimationFrame(() => node?.setSelectionRange(caret, caret));
  };

  return (
    <footer className="composer">
      {rich && (reply ?? edit) !== null && <rich.WritingBar reply={reply} edit={edit} onClose={stopWriting} />}
      {failure !== null && (
        <p className="composer-note red" role="alert">
          {t("composer.failed", { reason: failure })}
        </p>
      )}
      <div className="composer-in">
        {edit === null && <MenuButton label={t("composer.attach")} icon={Plus} items={() => attachMenu(openDialog)} />}
        <textarea
          ref={area}
          id="composer"
          className="field"
          rows={1}
          value={text}
          placeholder={t("composer.label")}
          aria-label={t("composer.label_to", { name })}
          dir="auto"
          autoComplete="off"
          enterKeyHint={enterSends() ? "send" : "enter"}
          {...(naming !== null && chosen !== null && { "aria-autocomplete": "list", "aria-controls": chosen.list })}
          {...(naming !== null && chosen?.option != null && { "aria-activedescendant": chosen.option })}
          onChange={(event) => change(event.target.value, event.target.selectionStart)}
          onFocus={() => {
            // A name and Enter are typed faster than a file comes.
            if (isGroup) void loadMentions();
          }}
          onBlur={() => {
            setNaming(null);
            setChosen(null);
          }}
          onKeyDown={onKeyDown}
        />
        <IconButton
          ref={emojiButton}
          label={t("composer.emoji")}
          icon={Smile}
          aria-haspopup="dialog"
          aria-expanded={emoji}
          onPointerDown={() => {
            emojiWasOpen.current = emoji;
          }}
          onClick={() => {
            // The press that ends here closed it already.
            if (!emojiWasOpen.current) setEmoji(true);
            emojiWasOpen.current = false;
          }}
        />
        {naming !== null && (
          <Suspense fallback={null}>
            <MentionPopup
              group={account}
              query={naming.query}
              keysRef={popupKeys}
              onActive={onActive}
              onChoose={mention}
              onClose={closeNames}
            />
          </Suspense>
        )}
        {emoji && (
          <Suspense fallback={null}>
            <EmojiPopover anchor={emojiButton} onChoose={insert} onClose={closeEmoji} />
          </Suspense>
        )}
        {body !== "" && (
          <button type="button" className="send" aria-label={sendLabel} title={sendLabel} disabled={!canSend} onClick={() => void send()}>
            <Icon icon={edit === null ? ArrowUp : Check} />
          </button>
        )}
      </div>
      {bytes > BYTES_TELL && (
        <p className={bytes > BYTES_MAX ? "composer-note red" : "composer-note"} role="status">
          {bytes > BYTES_MAX
            ? t("composer.over_limit", { over: bytes - BYTES_MAX })
            : t("composer.near_limit", { left: BYTES_MAX - bytes })}
        </p>
      )}
    </footer>
  );
}

/** The own text that was said last, if it can still be changed. */
function lastEditable(account: string) {
  const { messages, newer, account: open } = useWindow.getState();
  if (open !== account || newer) return undefined;
  const last = messages.filter((message) => message.from_me && message.body.kind === "text").at(-1);
  return last !== undefined && last.extras.editable_until_ms > Date.now() ? last : undefined;
}

/** As high as its text, up to eight lines; then it scrolls. */
function grow(node: HTMLTextAreaElement | null): void {
  if (!node) return;
  if (node.value === "") {
    // One line by itself: measuring would lay out the whole page, each time a conversation is opened.
    node.style.height = "";
    node.style.overflowY = "hidden";
    return;
  }
  const style = getComputedStyle(node);
  const line = Number.parseFloat(style.lineHeight);
  const padding = Number.parseFloat(style.paddingTop) + Number.parseFloat(style.paddingBottom);
  node.style.height = "auto";
  const height = Math.min(node.scrollHeight, Math.round(line * LINES_MAX + padding));
  node.style.height = `${height}px`;
  node.style.overflowY = node.scrollHeight > height + 1 ? "auto" : "hidden";
}

/** Typing anywhere in an open conversation writes the message. */
function useTypingStarts(area: React.RefObject<HTMLTextAreaElement | null>): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1) return;
      // Space presses buttons and scrolls; "?" asks for help.
      if (event.key === " " || event.key === "?" || isTyping(event.target)) return;
      if (document.querySelector("dialog[open], .menu, .emoji-popover")) return;
      area.current?.focus({ preventScroll: true });
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [area]);
}
