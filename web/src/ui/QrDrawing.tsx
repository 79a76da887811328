import encodeQR from "qr";
import { useMemo } from "react";

export interface QrCodeProps {
  /** What a scanner reads. */
  text: string;
  label: string;
  /** Our mark in the middle; the code repairs itself around it. */
  mark?: boolean;
}

/** Modules of the three finder patterns are drawn as one shape each. */
const EYE = 7;

/** A module grid without its border, or null when the text is too long for any code. */
function modules(text: string): boolean[][] | null {
  try {
    const bordered = encodeQR(text, "raw", { ecc: "medium", border: 1 });
    return bordered.slice(1, -1).map((row) => row.slice(1, -1));
  } catch {
    return null;
  }
}

export function QrDrawing({ text, label, mark = false }: QrCodeProps) {
  const drawn = useMemo(() => {
    const grid = modules(text);
    return grid === null ? null : draw(grid, mark);
  }, [text, mark]);
  if (drawn === null) return null;
  const { size, path, hole } = drawn;
  return (
    <svg className="qr" viewBox={`-3 -3 ${size + 6} ${size + 6}`} role="img" aria-label={label} shapeRendering="geometricPrecision">
      <path fill="currentColor" shapeRendering="crispEdges" d={path} />
      {[
        [0, 0],
        [size - EYE, 0],
        [0, size - EYE],
      ].map(([x, y]) => (
        <g className="eye" key={`${x},${y}`} transform={`translate(${x} ${y})`}>
          <rect x=".5" y=".5" width="6" height="6" rx="1.6" fill="none" stroke="currentColor" />
          <rect x="2" y="2" width="3" height="3" rx=".8" fill="currentColor" />
        </g>
      ))}
      {hole > 0 && (
        <g transform={`translate(${(size - hole) / 2 + 0.5} ${(size - hole) / 2 + 0.5}) scale(${(hole - 1) / 32})`}>
          <path
            className="qr-tile"
            d="M2 12C2 6.477 6.477 2 12 2h8c5.523 0 10 4.477 10 10v8c0 5.523-4.477 10-10 10H5a3 3 0 0 1-3-3z"
          />
          <path className="qr-bars" d="M9.2 10.4v11.2M14 12.6v6.8M18.8 14.6v2.8M23.2 16v.01" />
        </g>
      )}
    </svg>
  );
}

function draw(grid: boolean[][], mark: boolean): { size: number; path: string; hole: number } {
  const size = grid.length;
  // A sixth of the width hides 3 % of the modules; this code repairs up to 15 %.
  const wanted = Math.floor(size / 6);
  const hole = mark ? wanted + ((size - wanted) % 2) : 0;
  const from = (size - hole) / 2;
  const inHole = (at: number) => hole > 0 && at >= from && at < from + hole;
  const inEye = (x: number, y: number) =>
    (x < EYE && y < EYE) || (x >= size - EYE && y < EYE) || (x < EYE && y >= size - EYE);
  let path = "";
  grid.forEach((row, y) => {
    let x = 0;
    while (x < size) {
      const dark = (at: number) => row[at] === true && !inEye(at, y) && !(inHole(at) && inHole(y));
      if (!dark(x)) {
        x += 1;
        continue;
      }
      const start = x;
      while (x < size && dark(x)) x += 1;
      path += `M${start} ${y}h${x - start}v1h-${x - start}z`;
    }
  });
  return { size, path, hole };
}
