import { Search, X } from "lucide-react";
import { useDeferredValue, useEffect, useRef, useState } from "react";
import { isGroup } from "../../engine/recipient";
import { useApp } from "../../engine/store";
import { jumpTo } from "../../engine/window";
import { t } from "../../strings";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { Time } from "../../ui/Time";
import { nameOf } from "../conversation/naming";
import { chatPath, navigate } from "../shell/route";
import { Snippet } from "./Snippet";
import { useSearch } from "./useSearch";
import "./search.css";
import { Pane, PaneHeading } from "../../ui/Pane";

const LIMIT = 200;

/** Search within one conversation, in the panel beside it: the log jumps, the results stay. */
export function ChatSearch({ account }: { account: string }) {
  const view = useApp((state) => state.conversations[account]);
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);
  const searched = useDeferredValue(query.trim());
  const found = useSearch(searched, account, LIMIT);
  const field = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const name = view ? nameOf(view) : "";

  useEffect(() => field.current?.focus(), []);

  const onKeyDown = (event: React.KeyboardEvent) => {
    const options = [...(box.current?.querySelectorAll<HTMLElement>('[role="option"]') ?? [])];
    const at = options.findIndex((option) => option === document.activeElement);
    if (event.key === "ArrowDown") options[Math.min(options.length - 1, at + 1)]?.focus();
    else if (event.key === "ArrowUp") (options[at - 1] ?? field.current)?.focus();
    else if (event.key === "Enter" && event.target === field.current) options[0]?.click();
    else return;
    event.preventDefault();
  };

  return (
    <Pane className="panel" label={t("chat.search")}>
      <div className="panel-bar">
        <PaneHeading className="h-lg">{t("chat.search")}</PaneHeading>
        <IconButton label={t("nav.close")} icon={X} onClick={() => navigate(chatPath(account))} />
      </div>
      <div className="panel-body chat-search" onKeyDown={onKeyDown}>
        <div className="search" role="search">
          <Icon icon={Search} small />
          <input
            ref={field}
            type="search"
            value={query}
            placeholder={t("list.search")}
            aria-label={t("search.in_chat", { name })}
            autoComplete="off"
            spellCheck={false}
            enterKeyHint="search"
            dir="auto"
            onChange={(event) => setQuery(event.target.value)}
          />
        </div>
        <p className="sr" role="status">
          {searched !== "" && found.query === searched ? t("search.results", { count: found.hits.length }) : ""}
        </p>
        <div ref={box} role="listbox" aria-label={t("search.messages")}>
          {found.hits.map(({ message, snippet }) => {
            const key = `${message.from}/${message.name}`;
            return (
              <button
                key={key}
                type="button"
                className="found-row"
                role="option"
                aria-selected={chosen === key}
                onClick={() => {
                  setChosen(key);
                  void jumpTo(account, message.position);
                  // On a phone the panel covers the conversation: go there.
                  if (matchMedia("(max-width: 720px)").matches) navigate(chatPath(account));
                }}
              >
                <span className="found-text">
                  <span className="found-top">
                    <bdi className="name">{message.from_me ? t("name.you") : isGroup(account) ? message.from_name : name}</bdi>
                    <Time className="time num" ms={message.server_time_ms ?? message.written_ms} as="list" />
                  </span>
                  <span className="found-snippet" dir="auto">
                    <Snippet text={snippet} />
                  </span>
                </span>
              </button>
            );
          })}
        </div>
        {found.failure !== null && <p className="found-none">{t("search.failed", { reason: found.failure })}</p>}
        {found.failure === null && found.hits.length === 0 && (
          <p className="found-none">
            {searched !== "" && found.query === searched && <bdi>{t("search.none", { query: searched })}</bdi>}
            <span>{t("search.hint")}</span>
          </p>
        )}
      </div>
    </Pane>
  );
}
