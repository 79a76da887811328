import { expect, test } from "./fixtures.js";

test.use({ viewport: { width: 390, height: 844 } });

test("on the first day a phone shows how people find each other", async ({ register }) => {
  const ann = await register("ann");
  const { page } = ann;
  await expect(page.getByRole("heading", { name: "It is quiet here" })).toBeVisible();
  await page.getByRole("button", { name: "Copy my link" }).click();
  await expect(page.getByText("Copied")).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(`${ann.server.url}/#/u/ann`);
  await page.getByRole("button", { name: "Find someone" }).click();
  await expect(page.getByLabel("Username or link")).toBeFocused();
});

test("the text code that links a device stands in the place of the picture", async ({ arrive }) => {
  const { page } = await arrive("ann");
  await page.getByRole("button", { name: "I have Sotto on another device" }).click();
  const picture = page.getByRole("img", { name: "QR code that links this device" });
  await expect(picture).toBeInViewport();
  await page.getByRole("button", { name: "Use a text code" }).click();
  await expect(picture).toBeHidden();
  await page.getByRole("button", { name: "Copy" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^sotto:\/\/link\?/);
  await expect(page.getByRole("button", { name: "Copied" })).toBeInViewport({ ratio: 1 });
  await page.getByRole("button", { name: "Show the QR code" }).click();
  await expect(picture).toBeVisible();
});
