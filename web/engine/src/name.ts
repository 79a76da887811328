import type { ClientMsgId } from "./api.js";

/** A new name for a message: a UUIDv7. Sending again under the same name is the same message. */
export function messageName(now = Date.now()): ClientMsgId {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // 48 bits of time, then version 7 and variant 2 (RFC 9562, section 5.7).
  for (let i = 0; i < 6; i += 1) bytes[i] = Math.floor(now / 2 ** (8 * (5 - i))) % 256;
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
