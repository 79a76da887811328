/**
 * The service worker's side in the page: registers it, notices a newer version, and goes over to it when the person says so.
 * Always true: a new version waits until somebody asks for it; other tabs go on with the old one until they reload.
 */
import { navigate } from "wouter/use-browser-location";
import { useApp } from "../../engine/store";
import { usePwa, type InstallPrompt } from "./state";

/** Chat apps stay open for weeks; the browser itself looks for a newer version only when a page loads. */
const LOOK_EVERY_MS = 60 * 60 * 1000;

function watch(registration: ServiceWorkerRegistration) {
  const offer = () => {
    // Without a controller this is the first installation: nothing is replaced.
    if (registration.waiting !== null && navigator.serviceWorker.controller !== null) {
      usePwa.setState({ waiting: registration.waiting });
    }
  };
  offer();
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", offer);
  });
  let looked = Date.now();
  const look = () => {
    looked = Date.now();
    // Offline, or the server restarts: the next time will do.
    registration.update().catch(() => undefined);
  };
  const lookAgain = () => {
    if (document.visibilityState === "visible" && Date.now() - looked >= LOOK_EVERY_MS) look();
  };
  document.addEventListener("visibilitychange", lookAgain);
  setInterval(lookAgain, LOOK_EVERY_MS);
  // A server that was away may have come back with another version.
  let wasUp: boolean | null = null;
  useApp.subscribe(({ connection }) => {
    const up = connection.state === "connected";
    if (up && wasUp === false) look();
    if (up || wasUp !== null) wasUp = up;
  });
}

export function registerServiceWorker() {
  addEventListener("beforeinstallprompt", (event) => {
    // Settings offers it; the browser's own bar would come in the middle of something else.
    event.preventDefault();
    usePwa.setState({ install: event as InstallPrompt });
  });
  addEventListener("appinstalled", () => usePwa.setState({ install: null }));
  // Not in development, where files change under their names; not in insecure contexts, which have none.
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  navigator.serviceWorker.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    // A notification was clicked that the worker had shown.
    const open = typeof data === "object" && data !== null && "open" in data ? data.open : null;
    if (typeof open === "string" && open.startsWith("/")) navigate(open);
  });
  const register = () => {
    navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" }).then(watch, (error: unknown) => {
      // The app works without it, only not offline.
      console.warn("the service worker could not be registered", error);
    });
  };
  // After the first screen: it downloads what the page may be downloading right now.
  if (document.readyState === "complete") register();
  else addEventListener("load", register, { once: true });
}

/** Lets the waiting version take over, and reloads this tab into it. */
export function reloadToNewVersion() {
  const { waiting } = usePwa.getState();
  if (waiting === null) {
    location.reload();
    return;
  }
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  waiting.postMessage("take-over");
}

export async function installApp() {
  const { install } = usePwa.getState();
  if (install === null) return;
  // The browser takes each event once.
  usePwa.setState({ install: null });
  await install.prompt();
}
