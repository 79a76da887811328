import { t, type MessageKey } from "../../strings";
import { Dialog } from "../../ui/Dialog";
import { isMac } from "./keys";
import "./shortcuts.css";

const MAIN = isMac ? "⌘" : "Ctrl";
const SECOND = isMac ? "⌃" : "Alt";

const GROUPS: readonly { title: MessageKey; keys: readonly [label: MessageKey, ...keys: string[]][] }[] = [
  {
    title: "shortcuts.anywhere",
    keys: [
      ["shortcuts.search", MAIN, "K"],
      ["shortcuts.new_chat", SECOND, "N"],
      ["shortcuts.new_group", SECOND, "G"],
      ["shortcuts.next", "Alt", "↓"],
      ["shortcuts.previous", "Alt", "↑"],
      ["shortcuts.settings", MAIN, ","],
      ["shortcuts.close", "Esc"],
      ["shortcuts.help", "?"],
    ],
  },
  {
    title: "shortcuts.in_list",
    keys: [
      ["shortcuts.move", "↑", "↓"],
      ["shortcuts.open", "Enter"],
      ["shortcuts.menu", "Shift", "F10"],
    ],
  },
  {
    title: "shortcuts.in_chat",
    keys: [
      ["shortcuts.send", "Enter"],
      ["shortcuts.new_line", "Shift", "Enter"],
      ["shortcuts.mention", "@"],
      ["shortcuts.search_chat", MAIN, "Shift", "F"],
      ["shortcuts.last_details", "↑", "↓"],
      ["shortcuts.copy", MAIN, "C"],
      ["shortcuts.end", "End"],
    ],
  },
];

export function ShortcutsSheet({ open, onClose }: { open: boolean; onClose: () => void }) {
  if (!open) return null;
  return (
    <Dialog title={t("shortcuts.title")} onClose={onClose} wide>
      <div className="shortcuts">
        {GROUPS.map((group) => (
          <section key={group.title}>
            <h3 className="label">{t(group.title)}</h3>
            <dl>
              {group.keys.map(([label, ...keys]) => (
                <div key={label}>
                  <dt>{t(label)}</dt>
                  <dd>
                    {keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
