import { lazy, Suspense, useEffect } from "react";
import { navigate } from "wouter/use-browser-location";
import { reload, useApp } from "./engine/store";
import { holdInvite } from "./features/newchat/link";
import { useGatePending } from "./features/gate/pending";
import { Boundary } from "./features/shell/Boundary";
import { joinPath } from "./features/shell/route";
import { Shell } from "./features/shell/Shell";
import { Splash } from "./features/shell/Splash";

// Most visits need none of these: they are loaded when they are shown.
const Gate = lazy(async () => ({ default: (await import("./features/gate")).Gate }));
const Failure = lazy(async () => ({ default: (await import("./features/failure")).Failure }));

/** Which of the four worlds is shown: a failure, nothing yet, the gate, or the chats. */
export function App() {
  useLinks();
  return (
    <Boundary>
      <Suspense fallback={<Splash />}>
        <World />
      </Suspense>
    </Boundary>
  );
}

function World() {
  const profile = useApp((state) => state.profile);
  const me = useApp((state) => state.me);
  const pending = useGatePending();
  useEffect(() => {
    // The gate is done: what it did is not known here yet.
    if (!pending && useApp.getState().profile.phase === "ready") void reload();
  }, [pending]);
  if (profile.phase === "failed" || profile.phase === "locked" || profile.phase === "wiped") {
    return <Failure state={profile} />;
  }
  if (me === undefined) return <Splash />;
  if (me === null || pending) return <Gate />;
  return <Shell />;
}

/**
 * `#/u/ann` is how people share their name, `#/g/CODE` is a way into a group: opens the dialog for it. Keeps for later while there is
 * no account.
 */
function useLinks(): void {
  const signedIn = useApp((state) => Boolean(state.me));
  const pending = useGatePending();
  const ready = signedIn && !pending;
  useEffect(() => {
    const open = () => {
      const name = /^#\/u\/([^/?#]+)$/u.exec(location.hash)?.[1];
      if (ready && name !== undefined) navigate(`/new?with=${name}`, { replace: true });
      // The code lets people in: out of the address with it.
      if (holdInvite(location.href) && ready) navigate(joinPath, { replace: true });
    };
    open();
    addEventListener("hashchange", open);
    return () => removeEventListener("hashchange", open);
  }, [ready]);
}
