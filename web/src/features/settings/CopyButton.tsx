import { Check, Copy } from "lucide-react";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { t } from "../../strings";
import { useCopy } from "./use-copy";

interface CopyButtonProps {
  text: string;
  label?: string;
  small?: boolean;
}

/** Says on itself what became of it. */
export function CopyButton({ text, label = t("common.copy"), small = false }: CopyButtonProps) {
  const { copied, refused, copy } = useCopy();
  return (
    <>
      <Button small={small} onClick={() => copy(text)}>
        <Icon icon={copied ? Check : Copy} small />
        <span aria-live="polite">{copied ? t("common.copied") : label}</span>
      </Button>
      {refused && (
        <p className="field-error" role="alert">
          {t("common.copy_failed")}
        </p>
      )}
    </>
  );
}
