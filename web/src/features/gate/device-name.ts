interface Brands {
  userAgentData?: { brands: { brand: string }[]; platform: string };
}

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg(e|A|iOS)?\//, "Edge"],
  [/OPR\/|Opera/, "Opera"],
  [/SamsungBrowser\//, "Samsung Internet"],
  [/Firefox\/|FxiOS\//, "Firefox"],
  [/Chrom(e|ium)\/|CriOS\//, "Chrome"],
  [/Safari\//, "Safari"],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Android/, "Android"],
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/CrOS/, "ChromeOS"],
  [/Windows/, "Windows"],
  [/Mac OS X|macOS/, "Mac"],
  [/Linux/, "Linux"],
];

/** "Firefox on Linux": what this device is called until the person knows better. */
export function deviceName(agent = navigator.userAgent, brands = (navigator as Brands).userAgentData?.brands): string {
  const find = (table: typeof BROWSERS) => table.find(([pattern]) => pattern.test(agent))?.[1];
  // Browsers that hide behind Chrome's name say here who they are.
  const brand = brands?.map(({ brand }) => brand).find((name) => /Brave|Vivaldi|Opera|Edge|Chromium$/.test(name) && !/Not.?A/i.test(name));
  const own = brand !== undefined && brand !== "Chromium" ? brand.replace(/^Microsoft /, "") : undefined;
  const browser = own ?? find(BROWSERS);
  const system = find(SYSTEMS);
  if (browser === undefined) return system ?? "Browser";
  return system === undefined ? browser : `${browser} on ${system}`;
}
