import { expect, test } from "./fixtures.js";

test("a visit loads the basic letters, and others when a text has them, in the same face", async ({ server, register }) => {
  const ann = await register("ann");
  const { page } = ann;
  const loaded = (): Promise<string[]> =>
    page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .map(({ name }) => /([\w-]+)-[\w-]{8}\.woff2$/.exec(name)?.[1])
        .filter((part) => part !== undefined)
        .sort(),
    );
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.send("12:30 “quoted” — and so on… 3 × 4");
  expect(await loaded()).toEqual(["inter-basic", "jetbrains-mono-basic"]);

  const texts = ["Café Inés mañana", "Łódź čeština", "Привет", "Καλημέρα", "Tiếng Việt", "e\u0301 x\u0308 n\u0303"];
  for (const text of texts) await ann.send(text);
  await expect.poll(loaded).toEqual(expect.arrayContaining(["inter-cyrillic", "inter-greek", "inter-latin", "inter-latin-ext", "inter-vietnamese"]));

  const client = await ann.context.newCDPSession(page);
  await client.send("DOM.enable");
  await client.send("CSS.enable");
  const { root } = await client.send("DOM.getDocument");
  const { nodeIds } = await client.send("DOM.querySelectorAll", { nodeId: root.nodeId, selector: "[role=article] .txt" });
  expect(nodeIds).toHaveLength(1 + texts.length);
  await expect(async () => {
    for (const nodeId of nodeIds) {
      const { fonts } = await client.send("CSS.getPlatformFontsForNode", { nodeId });
      for (const { familyName, isCustomFont } of fonts) expect([familyName, isCustomFont]).toEqual(["Inter", true]);
    }
  }).toPass();
});
