import { expect, test } from "./fixtures.js";

test("an installed app opens without a network, with its history", async ({ server, register }) => {
  const ann = await register("ann", { serviceWorkers: "allow" });
  await server.cli("carl", "register", "carl");
  await server.cli("carl", "send", "ann", "keep this");
  await expect(ann.row(/carl/)).toContainText("keep this");
  await ann.page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  await server.stop();
  await ann.page.goto(`${server.url}/`);
  await ann.openChat(/carl/);
  await expect(ann.bubble("keep this")).toBeVisible();
  await ann.send("written offline");
  await expect(ann.tick("written offline", "Waiting to send")).toBeVisible();
  await ann.page.reload();
  await expect(ann.bubble("written offline")).toBeVisible();

  await server.run();
  await ann.page.reload();
  await expect(ann.tick("written offline", "Sent")).toBeVisible({ timeout: 60_000 });
  const { page } = ann;
  const manifest = await page.evaluate(async () => {
    const href = document.querySelector<HTMLLinkElement>("link[rel=manifest]")?.href ?? "";
    return (await (await fetch(href)).json()) as { icons: { src: string }[]; start_url: string; display: string };
  });
  expect(manifest.display).toBe("standalone");
  for (const { src } of manifest.icons) {
    expect((await page.request.get(new URL(src, server.url).href)).status()).toBe(200);
  }
});
