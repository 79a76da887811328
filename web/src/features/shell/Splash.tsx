import { t } from "../../strings";
import { Mark } from "../../ui/Mark";

/** Until the database is open. Appears only when that takes longer than 300 ms (see shell.css). */
export function Splash() {
  return (
    <div className="splash" role="status" aria-label={t("app.loading")}>
      <Mark size={48} />
    </div>
  );
}
