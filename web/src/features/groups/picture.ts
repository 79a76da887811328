/**
 * A picture of a group or a person: the square of a photograph that somebody chose, small enough to travel with the name.
 * The file is decoded and drawn anew, so that nothing else of it is kept: no place, no camera, no name.
 */
import type { Picture } from "../../ui/Avatar";

/** Decoded; what a group can hold. */
export const PICTURE_BYTES_MAX = 48 * 1024;
export const ZOOM_MAX = 6;
/** Larger than a person is ever shown. */
export const PERSON_SIDE_MAX = 320;
const SIDES = [512, 448, 384, 320, 256, 192, 128, 96, 64];
const QUALITIES = [0.86, 0.72, 0.56];

export interface Size {
  width: number;
  height: number;
}

/** What the frame shows: its middle in pixels of the picture, and how much larger than the largest square. */
export interface Frame {
  x: number;
  y: number;
  zoom: number;
}

export interface Square {
  x: number;
  y: number;
  side: number;
}

const clamp = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), Math.max(least, most));

/** The largest square in the middle. */
export const middle = ({ width, height }: Size): Frame => ({ x: width / 2, y: height / 2, zoom: 1 });

/** A frame that lies within the picture. */
export function within(size: Size, { x, y, zoom }: Frame): Frame {
  const kept = clamp(zoom, 1, ZOOM_MAX);
  const half = Math.min(size.width, size.height) / kept / 2;
  return { x: clamp(x, half, size.width - half), y: clamp(y, half, size.height - half), zoom: kept };
}

export function squareOf(size: Size, frame: Frame): Square {
  const { x, y, zoom } = within(size, frame);
  const side = Math.min(size.width, size.height) / zoom;
  return { x: x - side / 2, y: y - side / 2, side };
}

export interface Attempt {
  side: number;
  quality: number;
}

/** From the best to the smallest; never larger than what is there. */
export function attempts(side: number): Attempt[] {
  const whole = Math.max(1, Math.floor(side));
  const sides = [...new Set(SIDES.map((wanted) => Math.min(wanted, whole)))];
  return sides.flatMap((wanted) => QUALITIES.map((quality) => ({ side: wanted, quality })));
}

/** The first attempt that is small enough; null: none is. */
export async function firstFitting<T extends { size: number }>(
  side: number,
  encode: (attempt: Attempt) => Promise<T | null>,
): Promise<T | null> {
  for (const attempt of attempts(side)) {
    const made = await encode(attempt);
    if (made !== null && made.size <= PICTURE_BYTES_MAX) return made;
  }
  return null;
}

/** Rejects if the browser cannot read it as a picture. */
export function decode(file: Blob): Promise<ImageBitmap> {
  return createImageBitmap(file);
}

export async function cut(bitmap: ImageBitmap, frame: Frame, sideMax = Infinity): Promise<Picture | null> {
  const square = squareOf(bitmap, frame);
  const canvas = document.createElement("canvas");
  const blob = await firstFitting(Math.min(square.side, sideMax), async ({ side, quality }) => {
    canvas.width = canvas.height = side;
    draw(canvas, bitmap, square);
    const webp = await encoded(canvas, "image/webp", quality);
    // Who cannot write WebP writes PNG instead, which would be large.
    if (webp?.type === "image/webp") return webp;
    draw(canvas, bitmap, square, "#fff");
    return encoded(canvas, "image/jpeg", quality);
  });
  return blob === null ? null : { picture: base64(new Uint8Array(await blob.arrayBuffer())), picture_type: blob.type };
}

/** Fills the canvas with the square. `paper`: what shines through, for formats without transparency. */
export function draw(canvas: HTMLCanvasElement, bitmap: ImageBitmap, { x, y, side }: Square, paper?: string): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (paper !== undefined) {
    context.fillStyle = paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, x, y, side, side, 0, 0, canvas.width, canvas.height);
}

function encoded(canvas: HTMLCanvasElement, type: string, quality: number): Promise<Blob | null> {
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}

export function base64(bytes: Uint8Array): string {
  let text = "";
  // A call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x2000) text += String.fromCharCode(...bytes.subarray(at, at + 0x2000));
  return btoa(text);
}
