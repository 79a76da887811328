/** Of all emoji those that this platform has a picture for: the others would be empty cells, boxes, or two pictures side by side. */
import { defaultEmojiDataResolver, type EmojiDataResolver } from "frimousse";

/** Of 2019: whatever runs this app draws these, and drawing all of them once more would be felt. */
const KNOWN_EVERYWHERE = 12.1;
const CELL = 16;
const COLUMNS = 32;

type EmojiData = Awaited<ReturnType<EmojiDataResolver>>;

let drawable: EmojiData | null = null;

export const drawableEmoji: EmojiDataResolver = async (locale, options) => {
  if (drawable !== null) return drawable;
  const data = await defaultEmojiDataResolver(locale, options);
  const isOld = ({ version }: EmojiData["emojis"][number]) => version <= KNOWN_EVERYWHERE;
  const drawn = drawnOf(data.emojis.flatMap((one) => (isOld(one) ? [] : [one.emoji])));
  drawable = { ...data, emojis: data.emojis.filter((one) => isOld(one) || drawn.has(one.emoji)) };
  return drawable;
};

/** A picture covers something, has its own colours whatever the pen's, and is as wide as any other. */
function drawnOf(emoji: readonly string[]): ReadonlySet<string> {
  const canvas = document.createElement("canvas");
  canvas.width = COLUMNS * CELL;
  canvas.height = Math.ceil(emoji.length / COLUMNS) * CELL;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) return new Set(emoji);
  context.font = `${CELL - 4}px ${getComputedStyle(document.documentElement).getPropertyValue("--font-emoji")}`;
  context.textBaseline = "top";
  // All on one sheet: reading one back costs more than drawing it.
  const sheet = (colour: string) => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = colour;
    emoji.forEach((one, at) => context.fillText(one, (at % COLUMNS) * CELL, Math.floor(at / COLUMNS) * CELL + 2));
    return new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  };
  const [red, blue] = [sheet("#f00"), sheet("#00f")];
  const widest = 1.5 * context.measureText("\u{1F600}").width;
  const isPicture = (at: number) => {
    const corner = Math.floor(at / COLUMNS) * CELL * canvas.width + (at % COLUMNS) * CELL;
    let covered = false;
    for (let y = 0; y < CELL; y++) {
      for (let x = 0; x < CELL; x++) {
        const pixel = corner + y * canvas.width + x;
        if (red[pixel] !== blue[pixel]) return false;
        covered ||= red[pixel] !== 0;
      }
    }
    return covered;
  };
  return new Set(emoji.filter((one, at) => isPicture(at) && context.measureText(one).width <= widest));
}
