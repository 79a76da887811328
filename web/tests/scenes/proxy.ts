/** Counts what goes over the wire between a browser and the server: headers, WebSocket and all. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";

export class CountingProxy {
  /** Bytes to the browser, and from it. */
  down = 0;
  up = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly listener: TcpServer,
    readonly url: string,
  ) {}

  static async to(port: number): Promise<CountingProxy> {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const proxy = new CountingProxy(listener, `http://127.0.0.1:${(listener.address() as AddressInfo).port}`);
    listener.on("connection", (browser) => proxy.carry(browser, connect(port, "127.0.0.1")));
    return proxy;
  }

  async close(): Promise<void> {
    const closed = once(this.listener, "close");
    this.listener.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private carry(browser: Socket, server: Socket): void {
    browser.on("data", (bytes: Buffer) => (this.up += bytes.length));
    server.on("data", (bytes: Buffer) => (this.down += bytes.length));
    browser.pipe(server).pipe(browser);
    for (const [one, other] of [
      [browser, server],
      [server, browser],
    ] as const) {
      this.sockets.add(one);
      one.on("close", () => {
        this.sockets.delete(one);
        other.destroy();
      });
      // Either side may go at any time; what was counted stays.
      one.on("error", () => undefined);
    }
  }
}
