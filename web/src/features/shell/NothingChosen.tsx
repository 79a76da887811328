import { useApp } from "../../engine/store";
import { t } from "../../strings";
import { EmptyState } from "../../ui/EmptyState";
import { Banners } from "./Banners";
import { FirstDay } from "./FirstDay";

/** The sheet while no conversation is open: it teaches on the first day, and keeps quiet later. */
export function NothingChosen() {
  const loaded = useApp((state) => state.loaded);
  const isEmpty = useApp((state) => state.order.length === 0);
  return (
    <main className="sheet">
      <Banners />
      {loaded && (isEmpty ? <FirstDay /> : <EmptyState art title={t("empty.pick.title")}>{t("empty.pick.body")}</EmptyState>)}
    </main>
  );
}
