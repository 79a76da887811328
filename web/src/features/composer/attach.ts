import { ChartBarBig, ContactRound, MapPin } from "lucide-react";
import { t } from "../../strings";
import type { MenuEntry } from "../../ui/Menu";

/** What can be said beside a text. */
export function attachMenu(open: (dialog: { kind: "poll" | "location" | "contact" }) => void): MenuEntry[] {
  return [
    { label: t("composer.poll"), icon: ChartBarBig, onSelect: () => open({ kind: "poll" }) },
    { label: t("composer.location"), icon: MapPin, onSelect: () => open({ kind: "location" }) },
    { label: t("composer.contact"), icon: ContactRound, onSelect: () => open({ kind: "contact" }) },
  ];
}
