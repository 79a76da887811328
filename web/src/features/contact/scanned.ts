/**
 * Compares a scanned safety number with our own. What the code holds is Signal's scannable fingerprint in hex: a version and two
 * fingerprints, that of the one who shows it first. The two sides of a pair show the same two in opposite order.
 * A code of an unknown form says nothing about the contact: it neither verifies nor warns.
 */

export type Compared = "match" | "mismatch" | "own" | "newer" | "not_safety";

const VERSION = 2;
const FINGERPRINT_BYTES = 32;
/** Version, then two messages that hold one field of bytes each (protobuf). */
const BYTES = 2 + 2 * (2 + 2 + FINGERPRINT_BYTES);

interface Fingerprints {
  version: number;
  shower: string;
  other: string;
}

function parse(text: string): Fingerprints | null {
  const hex = text.trim().toLowerCase();
  if (!/^([0-9a-f]{2})+$/.test(hex)) return null;
  const byte = (at: number) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  const version = byte(1);
  // Field 1, a number below 128.
  if (byte(0) !== 0x08 || version > 127) return null;
  if (version !== VERSION) return { version, shower: "", other: "" };
  if (hex.length !== 2 * BYTES) return null;
  /** A field that holds a message that holds 32 bytes as its field 1. */
  const fingerprint = (field: number, at: number): string | null => {
    const expected = [(field << 3) | 2, FINGERPRINT_BYTES + 2, 0x0a, FINGERPRINT_BYTES];
    if (expected.some((value, offset) => byte(at + offset) !== value)) return null;
    return hex.slice(2 * (at + 4), 2 * (at + 4 + FINGERPRINT_BYTES));
  };
  const shower = fingerprint(2, 2);
  const other = fingerprint(3, 2 + 4 + FINGERPRINT_BYTES);
  return shower === null || other === null ? null : { version, shower, other };
}

export function compareScanned(own: string, scanned: string): Compared {
  const ours = parse(own);
  const theirs = parse(scanned);
  if (theirs === null || ours === null) return "not_safety";
  if (theirs.version !== ours.version) return theirs.version > ours.version ? "newer" : "not_safety";
  if (theirs.shower === ours.other && theirs.other === ours.shower) return "match";
  return theirs.shower === ours.shower && theirs.other === ours.other ? "own" : "mismatch";
}
