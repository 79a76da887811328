import { defineConfig } from "@playwright/test";

// The system's Chromium: nothing is downloaded.
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

export default defineConfig({
  testDir: "tests",
  outputDir: "../target/browser-tests",
  fullyParallel: true,
  workers: 2,
  timeout: 180_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    launchOptions: { executablePath, args },
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    // Without pictures of every step, which took a third of the time; the page's tree is there for each.
    trace: { mode: "retain-on-failure", screenshots: false },
    actionTimeout: 30_000,
    // Each test meets the files of this build, not those a worker kept.
    serviceWorkers: "block",
  },
  projects: [
    { name: "app", testMatch: "*.spec.ts" },
    // Slow and for the documents: `make budgets`, `make screenshots`.
    { name: "budgets", testMatch: "budgets.ts", workers: 1, timeout: 900_000 },
    { name: "screenshots", testMatch: "screenshots.ts", workers: 1, timeout: 600_000 },
  ],
});
