import type { ConversationView } from "@sotto/engine";
import { Archive, ArrowLeft, EllipsisVertical, Folder, MailQuestionMark, Search, SquarePen, Star, X, type LucideIcon } from "lucide-react";
import { useDeferredValue, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import { isUnread, useApp } from "../../engine/store";
import { t } from "../../strings";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { MenuButton } from "../../ui/Menu";
import { SearchResults } from "../search/SearchResults";
import { setSearchField } from "../search/focus";
import { FirstDay } from "../shell/FirstDay";
import { navigate, starredPath } from "../shell/route";
import { isMac } from "../shortcuts/keys";
import { ConversationRows } from "./ConversationRows";
import { ListFoot } from "./ListFoot";
import { foldersOf } from "./folders";
import "./list.css";
import { Pane, useAlone } from "../../ui/Pane";

type Filter = "all" | "unread" | "groups" | { folder: string };
/** What is listed: the chats, or what is kept apart from them. */
type Place = "chats" | "archive" | "requests";

export function ConversationList({ selected }: { selected: string | null }) {
  const [query, setQuery] = useState("");
  const [filter, setFilter] = useState<Filter>("all");
  const [place, setPlace] = useState<Place>("chats");
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
      {place !== "chats" ? (
        <div className="list-head archive-head">
          <IconButton label={t("list.back_from_archive")} icon={ArrowLeft} directional onClick={() => setPlace("chats")} />
          <h1 className="h-lg">{t(place === "archive" ? "list.archived" : "list.request_row")}</h1>
        </div>
      ) : (
        <div className="list-head">
          <h1 className="h-lg">{t("list.title")}</h1>
          <IconButton label={t("list.new")} icon={SquarePen} onClick={() => navigate("/new")} />
          <MenuButton
            label={t("list.more")}
            icon={EllipsisVertical}
            items={() => [{ label: t("list.starred"), icon: Star, onSelect: () => navigate(starredPath()) }]}
          />
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
          <Chats filter={filter} onFilter={setFilter} place={place} onPlace={setPlace} selected={selected} />
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
  place: Place;
  onPlace: (place: Place) => void;
  selected: string | null;
}

function Chats({ filter, onFilter, place, onPlace, selected }: ChatsProps) {
  const loaded = useApp((state) => state.loaded);
  const order = useApp((state) => state.order);
  const conversations = useApp((state) => state.conversations);
  const alone = useAlone();
  const all = useMemo(() => order.flatMap((account) => conversations[account] ?? []), [order, conversations]);
  // Who is new waits behind an entry of their own; who was blocked there, nowhere.
  const views = useMemo(() => all.filter((view) => !view.is_request), [all]);
  const requests = useMemo(() => all.filter((view) => view.is_request && view.contact?.blocked !== true), [all]);
  const filters = ["all", "unread", ...(views.some((view) => view.contact === null) ? (["groups"] as const) : [])] as const;
  const folders = useMemo(() => foldersOf(views.filter((view) => !view.archived)), [views]);
  const folder = typeof filter === "object" ? filter.folder : null;
  const archived = useMemo(() => views.filter((view) => view.archived), [views]);
  const shown = useMemo(() => {
    if (place === "requests") return requests;
    if (place === "archive") return archived;
    const keep = (view: ConversationView) =>
      // The open one stays, or it would vanish under the reader's eyes.
      !view.archived &&
      (filter === "all" ||
        (filter === "groups"
          ? view.contact === null
          : filter === "unread"
            ? isUnread(view) || view.conversation === selected
            : view.folder === filter.folder));
    return views.filter(keep);
  }, [views, requests, archived, place, filter, selected]);

  // Its last chat was taken out.
  useEffect(() => {
    if (folder !== null && loaded && !folders.includes(folder)) onFilter("all");
  }, [folder, folders, loaded, onFilter]);
  useEffect(() => {
    if (loaded && ((place === "archive" && archived.length === 0) || (place === "requests" && requests.length === 0))) onPlace("chats");
  }, [place, archived.length, requests.length, loaded, onPlace]);

  if (!loaded) return <div className="rows" aria-busy="true" />;
  // Beside the list the sheet teaches; where the list is alone, it does.
  if (alone && all.length === 0) return <FirstDay />;
  return (
    <>
      {place === "chats" && views.length > 0 && (
        <div className="chips" role="group" aria-label={t("list.filter")}>
          {filters.map((which) => (
            <button key={which} type="button" className="chip" aria-pressed={filter === which} onClick={() => onFilter(which)}>
              {t(`list.${which}`)}
            </button>
          ))}
          {folders.map((name) => (
            <button key={`folder ${name}`} type="button" className="chip" aria-pressed={folder === name} onClick={() => onFilter({ folder: name })}>
              <Icon icon={Folder} small />
              <bdi>{name}</bdi>
            </button>
          ))}
        </div>
      )}
      {place === "chats" && requests.length > 0 && (
        <PlaceRow icon={MailQuestionMark} title={t("list.request_row")} count={requests.length} label={t("list.request_count", { count: requests.length })} isNew onClick={() => onPlace("requests")} />
      )}
      {place === "chats" && filter === "all" && archived.length > 0 && (
        <PlaceRow icon={Archive} title={t("list.archived")} count={archived.length} label={t("list.archived_count", { count: archived.length })} onClick={() => onPlace("archive")} />
      )}
      {shown.length > 0 ? (
        <ConversationRows views={shown} selected={selected} />
      ) : (
        <Nothing kind={place !== "chats" ? `empty_${place}` : filter === "all" || views.length === 0 ? "empty" : `empty_${typeof filter === "object" ? "folder" : filter}`} />
      )}
    </>
  );
}

interface PlaceRowProps {
  icon: LucideIcon;
  title: string;
  count: number;
  /** The count in words. */
  label: string;
  isNew?: boolean;
  onClick: () => void;
}

/** Leads to what is kept apart from the chats. */
function PlaceRow({ icon, title, count, label, isNew, onClick }: PlaceRowProps) {
  return (
    <button type="button" className="archive-row" onClick={onClick}>
      <Icon icon={icon} />
      <span>{title}</span>
      <span className={isNew === true ? "badge" : "num"} role="img" aria-label={label}>
        {count}
      </span>
    </button>
  );
}

function Nothing({ kind }: { kind: "empty" | "empty_unread" | "empty_groups" | "empty_folder" | "empty_archive" | "empty_requests" }) {
  return (
    <div className="nothing">
      <p className="nothing-title">{t(`list.${kind}.title`)}</p>
      <p className="nothing-body">{t(`list.${kind}.body`)}</p>
    </div>
  );
}
