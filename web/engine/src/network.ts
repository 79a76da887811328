/**
 * Sockets, HTTP and the timer for the engine.
 * Always true: reports of a connection that was dropped are not passed on; what the engine asks for ends by itself.
 */

/** What happened, for the engine. */
export interface Reports {
  opened(): void;
  closed(reason: string): void;
  frame(bytes: Uint8Array): void;
  answer(request: number, status: number, body: Uint8Array): void;
  noAnswer(request: number, timeout: boolean, text: string): void;
  wake(): void;
}

const CONNECT_TIMEOUT_MS = 15_000;
/** Bytes on their way to a server that reads too slowly; above this the connection is dropped. */
const UNSENT_BYTES = 16 * 1024 * 1024;
const ANSWER_BYTES = 16 * 1024 * 1024;
/** Browsers keep a timer's delay in 31 bits. */
const TIMER_MAX_MS = 0x7fff_ffff;

export class Network {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly reports: Reports) {}

  connect(url: string): void {
    this.disconnect();
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const end = (reason: string): void => {
      clearTimeout(late);
      if (this.socket !== socket) return;
      this.disconnect();
      this.reports.closed(reason);
    };
    const late = setTimeout(() => end("the server does not answer"), CONNECT_TIMEOUT_MS);
    socket.onopen = () => {
      clearTimeout(late);
      if (this.socket === socket) this.reports.opened();
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (this.socket !== socket) return;
      if (data instanceof ArrayBuffer) this.reports.frame(new Uint8Array(data));
      else end("the server sent text where frames belong");
    };
    socket.onclose = ({ reason }) => end(reason || "the connection ended");
  }

  disconnect(): void {
    const socket = this.socket;
    this.socket = null;
    // Closing sends what was queued first.
    socket?.close();
  }

  send(frame: Uint8Array<ArrayBuffer>): void {
    const socket = this.socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > UNSENT_BYTES) {
      this.disconnect();
      this.reports.closed("the server reads too slowly");
      return;
    }
    socket.send(frame);
  }

  async request(
    request: number,
    method: string,
    url: string,
    bearer: string | null,
    body: Uint8Array<ArrayBuffer> | null,
    timeoutMs: number,
  ): Promise<void> {
    const headers = new Headers();
    if (bearer !== null) headers.set("authorization", `Bearer ${bearer}`);
    if (body !== null) headers.set("content-type", "application/json");
    try {
      const answer = await fetch(url, {
        method,
        headers,
        body,
        signal: AbortSignal.timeout(Math.max(1, timeoutMs)),
        // A bearer token must not follow a redirect.
        redirect: "error",
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
      });
      const bytes = await bounded(answer);
      this.reports.answer(request, answer.status, bytes);
    } catch (error) {
      const timeout = error instanceof DOMException && error.name === "TimeoutError";
      const text = `${new URL(url).host}: ${error instanceof Error ? error.message : String(error)}`;
      this.reports.noAnswer(request, timeout, text);
    }
  }

  wakeAt(atMs: number): void {
    clearTimeout(this.timer);
    const delay = Math.min(Math.max(0, atMs - Date.now()), TIMER_MAX_MS);
    this.timer = setTimeout(() => this.reports.wake(), delay);
  }

  close(): void {
    clearTimeout(this.timer);
    this.disconnect();
  }
}

async function bounded(answer: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = answer.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > ANSWER_BYTES) {
      await reader.cancel();
      throw new Error("its answer is too long");
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
