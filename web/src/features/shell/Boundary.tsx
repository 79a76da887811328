import { Component, type ReactNode } from "react";
import { t } from "../../strings";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";

interface State {
  failed: unknown;
}

/** A part that throws, or cannot be loaded, does not take the page with it. */
export class Boundary extends Component<{ children: ReactNode }, State> {
  override state: State = { failed: undefined };

  static getDerivedStateFromError(failed: unknown): State {
    return { failed };
  }

  override render(): ReactNode {
    if (this.state.failed === undefined) return this.props.children;
    // What a lazy import throws when the file is out of reach differs by browser; all of them are TypeErrors.
    const notLoaded = this.state.failed instanceof TypeError && /import|module|fetch|load/iu.test(this.state.failed.message);
    return (
      <div className="broken" role="alert">
        <EmptyState
          art
          title={t("app.broken.title")}
          actions={
            <Button variant="primary" onClick={() => location.reload()}>
              {t("app.broken.reload")}
            </Button>
          }
        >
          {t(notLoaded ? "app.part_missing.body" : "app.broken.body")}
        </EmptyState>
      </div>
    );
  }
}
