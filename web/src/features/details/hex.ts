/** A hex dump: eight bytes a line, as offset, bytes, and what of it is readable. */

export interface HexLine {
  offset: string;
  bytes: string;
  ascii: string;
}

export function hexLines(hex: string, perLine = 8): HexLine[] {
  const bytes: number[] = [];
  for (let at = 0; at + 1 < hex.length; at += 2) {
    const byte = Number.parseInt(hex.slice(at, at + 2), 16);
    if (Number.isNaN(byte)) break;
    bytes.push(byte);
  }
  const lines: HexLine[] = [];
  for (let at = 0; at < bytes.length; at += perLine) {
    const line = bytes.slice(at, at + perLine);
    lines.push({
      offset: at.toString(16).padStart(4, "0"),
      bytes: line.map((byte) => byte.toString(16).padStart(2, "0")).join(" "),
      ascii: line.map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join(""),
    });
  }
  return lines;
}

/** The start of a public key: its type byte, then groups of four digits. */
export function startOfKey(hex: string, groups: number): string {
  const shown = hex.slice(2, 2 + groups * 4).match(/.{1,4}/gu) ?? [];
  return [hex.slice(0, 2), ...shown].join(" ") + (hex.length > 2 + groups * 4 ? "…" : "");
}
