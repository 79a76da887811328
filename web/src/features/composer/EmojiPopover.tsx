import { Popover } from "radix-ui";
import type { RefObject } from "react";
import { t } from "../../strings";
import { EmojiPicker } from "./EmojiPicker";

interface Props {
  anchor: RefObject<HTMLElement | null>;
  onChoose: (emoji: string) => void;
  onClose: () => void;
}

/** The emoji picker above the composer; stays open while several are chosen. */
export function EmojiPopover({ anchor, onChoose, onClose }: Props) {
  return (
    <Popover.Root open onOpenChange={(open) => open || onClose()}>
      <Popover.Anchor virtualRef={anchor} />
      <Popover.Portal>
        <Popover.Content
          className="floating emoji-popover"
          side="top"
          align="end"
          sideOffset={12}
          collisionPadding={8}
          aria-label={t("composer.emoji")}
          onCloseAutoFocus={(event) => event.preventDefault()}
        >
          <EmojiPicker onChoose={onChoose} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
