import type { ConversationView } from "@sotto/engine";
import { Archive, ArrowLeft, Search, SquarePen, X } from "lucide-react";
import { useDeferredValue, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import { isUnread, useApp } from "../../engine/store";
import { t } from "../../strings";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { SearchResults } from "../search/SearchResults";
import { setSearchField } from "../search/focus";
import { FirstDay } from "../shell/FirstDay";
import { navigate } from "../shell/route";
import { isMac } from "../shortcuts/keys";
import { ConversationRows } from "./ConversationRows";
import { ListFoot } from "./ListFoot";
import "./list.css";
import { Pane, useAlone } from "../../ui/Pane";

type Filter = "all" | "unread" | "groups";

export function ConversationList({ selected }: { selected: string | null }) {
  const [query, setQuery] = useState("");
  const [filter, setFilter] = useState<Filter>("all");
  const [archive, setArchive] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const results = useRef<HTMLDivElement>(null);
  const searched = useDeferredValue(query.trim());
  const rowsId = useId();

  useLayoutEffect(() => {
    setSearchField(field.current);
    return () => setSearchField(null);
  }, []);

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === "Escape" && query !== "") {
      event.stopPropagation();
      setQuery("");
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      const first = results.current?.querySelector<HTMLElement>('[tabindex="0"]');
      first?.focus();
    } else if (event.key === "Enter" && query.trim() !== "") {
      event.preventDefault();
      results.current?.querySelector<HTMLElement>('[role="option"]')?.click();
    }
  };

  return (
    <Pane className="list" label={t("list.label")}>
      {archive ? (
        <div className="list-head archive-head">
          <IconButton label={t("list.back_from_archive")} icon={ArrowLeft} directional onClick={() => setArchive(false)} />
          <h1 className="h-lg">{t("list.archived")}</h1>
        </div>
      ) : (
        <div className="list-head">
          <h1 className="h-lg">{t("list.title")}</h1>
          <IconButton label={t("list.new")} icon={SquarePen} onClick={() => navigate("/new")} />
        </div>
      )}
      <div className="search" role="search">
        <Icon icon={Search} small />
        <input
          ref={field}
          type="search"
          value={query}
          placeholder={t("list.search")}
          aria-label={t("search.label")}
          aria-controls={rowsId}
          autoComplete="off"
          spellCheck={false}
          enterKeyHint="search"
          dir="auto"
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={onKeyDown}
        />
        {query === "" ? (
          <kbd aria-hidden="true">{isMac ? "⌘ K" : "Ctrl K"}</kbd>
        ) : (
          <IconButton
            label={t("search.clear")}
            icon={X}
            small
            onClick={() => {
              setQuery("");
              field.current?.focus();
            }}
          />
        )}
      </div>
      <div ref={results} id={rowsId} className="list-body">
        {searched === "" ? (
          <Chats filter={filter} onFilter={setFilter} archive={archive} onArchive={setArchive} selected={selected} />
        ) : (
          <SearchResults query={searched} onChosen={() => setQuery("")} />
        )}
      </div>
      <ListFoot />
    </Pane>
  );
}

interface ChatsProps {
  filter: Filter;
  onFilter: (filter: Filter) => void;
  archive: boolean;
  onArchive: (archive: boolean) => void;
  selected: string | null;
}

function Chats({ filter, onFilter, archive, onArchive, selected }: ChatsProps) {
  const loaded = useApp((state) => state.loaded);
  const order = useApp((state) => state.order);
  const conversations = useApp((state) => state.conversations);
  const alone = useAlone();
  const views = useMemo(
    () => order.flatMap((account) => conversations[account] ?? []),
    [order, conversations],
  );
  const filters: readonly Filter[] = views.some((view) => view.contact === null) ? ["all", "unread", "groups"] : ["all", "unread"];
  const archived = useMemo(() => views.filter((view) => view.archived), [views]);
  const shown = useMemo(() => {
    if (archive) return archived;
    const keep = (view: ConversationView) =>
      // The open one stays, or it would vanish under the reader's eyes.
      !view.archived &&
      (filter === "all" || (filter === "groups" ? view.contact === null : isUnread(view) || view.conversation === selected));
    return views.filter(keep);
  }, [views, archived, archive, filter, selected]);

  useEffect(() => {
    if (archive && loaded && archived.length === 0) onArchive(false);
  }, [archive, archived.length, loaded, onArchive]);

  if (!loaded) return <div className="rows" aria-busy="true" />;
  // Beside the list the sheet teaches; where the list is alone, it does.
  if (alone && views.length === 0) return <FirstDay />;
  return (
    <>
      {!archive && views.length > 0 && (
        <div className="chips" role="group" aria-label={t("list.filter")}>
          {filters.map((which) => (
            <button key={which} type="button" className="chip" aria-pressed={filter === which} onClick={() => onFilter(which)}>
              {t(`list.${which}`)}
            </button>
          ))}
        </div>
      )}
      {!archive && filter === "all" && archived.length > 0 && (
        <button type="button" className="archive-row" onClick={() => onArchive(true)}>
          <Icon icon={Archive} />
          <span>{t("list.archived")}</span>
          <span className="num" role="img" aria-label={t("list.archived_count", { count: archived.length })}>
            {archived.length}
          </span>
        </button>
      )}
      {shown.length > 0 ? (
        <ConversationRows views={shown} selected={selected} />
      ) : (
        <Nothing kind={archive ? "empty_archive" : filter === "all" || views.length === 0 ? "empty" : `empty_${filter}`} />
      )}
    </>
  );
}

function Nothing({ kind }: { kind: "empty" | "empty_unread" | "empty_groups" | "empty_archive" }) {
  return (
    <div className="nothing">
      <p className="nothing-title">{t(`list.${kind}.title`)}</p>
      <p className="nothing-body">{t(`list.${kind}.body`)}</p>
    </div>
  );
}
