import type { MessageStatus } from "@sotto/engine";
import { t } from "../strings";

const DOUBLE = "M1.5 6.6 4.7 9.8 11 2.6M8.6 9.2l.6.6 6.3-7.2";
const SINGLE = "M1.5 6.6 4.7 9.8 11 2.6";

/** How far one's own message came. Differs in shape and weight, never by colour alone. */
export function Tick({ status }: { status: MessageStatus }) {
  switch (status) {
    case "pending":
    case "held":
      return (
        <svg className="tick wait" viewBox="0 0 14 14" role="img" aria-label={t(status === "held" ? "tick.held" : "tick.pending")}>
          <circle cx="7" cy="7" r="5.4" />
          <path d="M7 4.2V7l1.9 1.2" />
        </svg>
      );
    case "sent":
      return (
        <svg className="tick one" viewBox="0 0 13 12" role="img" aria-label={t("tick.sent")}>
          <path d={SINGLE} />
        </svg>
      );
    case "delivered":
    case "read":
      return (
        <svg className={status === "read" ? "tick read" : "tick"} viewBox="0 0 18 12" role="img" aria-label={t(`tick.${status}`)}>
          <path d={DOUBLE} />
        </svg>
      );
    case "failed":
      return (
        <svg className="tick fail" viewBox="0 0 14 14" role="img" aria-label={t("tick.failed")}>
          <circle cx="7" cy="7" r="5.6" />
          <path d="M7 4v3.4M7 9.9v.01" />
        </svg>
      );
    case "received":
    case "waiting":
      return null;
  }
}
