import type { ContactView } from "@sotto/engine";
import { TriangleAlert } from "lucide-react";
import { useState } from "react";
import { engine } from "../../engine/engine";
import { t } from "../../strings/later";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { ConfirmDialog } from "../../ui/Dialog";

/** A verified contact has another key now: compare (below), or go on without. What was written waits for either. */
export function KeyChange({ contact, name }: { contact: ContactView; name: string }) {
  const [asking, setAsking] = useState(false);
  return (
    <div className="sec key-change">
      <Banner tone="amber" icon={TriangleAlert} title={t("contact.key.title", { name })}>
        {t("contact.key.body")}
      </Banner>
      <Button small onClick={() => setAsking(true)}>
        {t("contact.key.accept")}
      </Button>
      {asking && (
        <ConfirmDialog
          title={t("contact.key.accept.title")}
          verb={t("contact.key.accept.verb")}
          danger
          onConfirm={() =>
            // The key that is on the screen: if yet another one came meanwhile, this fails and says so.
            engine.command({
              command: "accept_key",
              who: { account: contact.account },
              identity_key: contact.new_identity_key,
            })
          }
          onClose={() => setAsking(false)}
        >
          <p>{t("contact.key.accept.body", { name })}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}
