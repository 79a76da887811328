import { EmojiPicker as Picker, type EmojiDataResolver } from "frimousse";
import { useCallback, useState } from "react";
import { t } from "../../strings";
import { Button } from "../../ui/Button";
import { drawableEmoji } from "./drawable";

/** Where `emoji-data` puts them; in development they are read from where they were installed. */
const DATA = import.meta.env.DEV ? "/node_modules/emojibase-data" : "/emoji";

/** Emoji by group and by name. The data lies on our own server; nothing is asked of anybody else. */
export function EmojiPicker({ onChoose }: { onChoose: (emoji: string) => void }) {
  const [failed, setFailed] = useState(false);
  const resolve = useCallback<EmojiDataResolver>(async (locale, options) => {
    try {
      return await drawableEmoji(locale, options);
    } catch (error) {
      if (options.signal?.aborted !== true) setFailed(true);
      throw error;
    }
  }, []);
  if (failed) {
    return (
      <div className="emoji-state" role="alert">
        <p>{t("emoji.failed")}</p>
        <Button small onClick={() => setFailed(false)}>
          {t("common.retry")}
        </Button>
      </div>
    );
  }
  return (
    <Picker.Root
      className="emoji-picker"
      emojibaseUrl={DATA}
      resolveEmojiData={resolve}
      columns={8}
      onEmojiSelect={({ emoji }) => onChoose(emoji)}
    >
      <div className="emoji-top">
        <Picker.Search className="emoji-search" placeholder={t("emoji.search")} aria-label={t("emoji.search")} autoFocus />
        <Picker.SkinToneSelector className="icon-btn e" aria-label={t("emoji.skin")} title={t("emoji.skin")} />
      </div>
      <Picker.Viewport className="emoji-view">
        <Picker.Loading className="emoji-state">{t("emoji.loading")}</Picker.Loading>
        <Picker.Empty className="emoji-state">{t("emoji.none")}</Picker.Empty>
        <Picker.List
          className="emoji-list"
          components={{
            CategoryHeader: ({ category, ...rest }) => (
              <div {...rest} className="label emoji-group">
                {category.label}
              </div>
            ),
            Row: ({ children, ...rest }) => (
              // Rows, and below columns, count from one, not from zero.
              <div {...rest} aria-rowindex={(rest["aria-rowindex"] ?? 0) + 1} className="emoji-row">
                {children}
              </div>
            ),
            Emoji: ({ emoji, ...rest }) => (
              <button
                type="button"
                {...rest}
                aria-colindex={(rest["aria-colindex"] ?? 0) + 1}
                className={emoji.isActive ? "emoji e is-active" : "emoji e"}
                title={emoji.label}
              >
                {emoji.emoji}
              </button>
            ),
          }}
        />
      </Picker.Viewport>
    </Picker.Root>
  );
}
