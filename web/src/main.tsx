import "virtual:fonts.css";
import "./ui/tokens.css";
import "./ui/base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { startPictures } from "./engine/pictures";
import { startPresence } from "./engine/presence";
import { startStore } from "./engine/store";
import { startWindow } from "./engine/window";
import { startNotify } from "./features/notify/notify";
import { registerServiceWorker } from "./features/pwa/register";
// Puts theme and text size on the page before anything is drawn.
import "./features/settings/preferences";

startStore();
startWindow();
startPresence();
startNotify();
registerServiceWorker();
startPictures();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
