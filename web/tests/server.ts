/** A real server process with the built web app, and the terminal client as another person. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const root = join(import.meta.dirname, "../..");
const bin = process.env["BIN_DIR"] ?? join(root, "target/debug");
const dist = process.env["WEB_DIST"] ?? join(root, "web/dist");

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

export class Server {
  readonly dir = mkdtempSync(join(tmpdir(), "sotto-browser-"));
  port = 0;
  private process: ChildProcess | null = null;
  private printed: string[] = [];

  /**
   * `config`: further lines of the configuration file; `embedded`: serve what is inside the program; `worker`: code before the
   * engine's; `web`: further lines about the web app; `requests`: what strangers send waits until it is accepted, which most tests are not about.
   */
  static async start(options: { config?: string; demo?: boolean; embedded?: boolean; worker?: string; web?: string; requests?: boolean } = {}): Promise<Server> {
    const server = new Server();
    server.port = await freePort();
    const served = options.worker === undefined ? dist : server.changedDist(options.worker);
    // No metrics: their port would be the same for every server.
    const web = options.embedded === true ? "" : `[web]\ndir = ${JSON.stringify(served)}\n${options.web ?? ""}\n`;
    writeFileSync(join(server.dir, "sotto.toml"), `${options.config ?? ""}\n${web}[messages]\nrequests = ${String(options.requests ?? false)}\n[metrics]\nlisten = ""\n`);
    await server.run(options.demo === true);
    return server;
  }

  /** A copy of the app whose worker begins with this code: how a test reaches into it. */
  private changedDist(code: string): string {
    const copy = join(this.dir, "dist");
    cpSync(dist, copy, { recursive: true });
    const assets = join(copy, "assets");
    for (const name of readdirSync(assets)) {
      if (!/^worker-.*\.js(\.br)?$/.test(name)) continue;
      const path = join(assets, name);
      if (name.endsWith(".br")) rmSync(path);
      else writeFileSync(path, `${code};${readFileSync(path, "utf8")}`);
    }
    return copy;
  }

  /** Another version of the app for the next start: its scripts have other names, as after a change that reaches all of them. */
  changeVersion(): void {
    const copy = join(this.dir, "dist");
    const assets = join(copy, "assets");
    const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
    const next = (name: string): string => name.replace(/\.js$/, "2.js");
    for (const name of scripts) renameSync(join(assets, name), join(assets, next(name)));
    for (const entry of readdirSync(copy, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.name.endsWith(".br")) rmSync(path);
      else if (/\.(js|html)$/.test(entry.name)) {
        const text = scripts.reduce((text, name) => text.replaceAll(name, next(name)), readFileSync(path, "utf8"));
        writeFileSync(path, text.replace(/const BUILD ?= ?"/, "$&2"));
      }
    }
  }

  /** The app as it was at first. */
  changeVersionBack(): void {
    rmSync(join(this.dir, "dist"), { recursive: true });
    cpSync(dist, join(this.dir, "dist"), { recursive: true });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async run(demo = false): Promise<void> {
    const args = ["serve", "--data", join(this.dir, "data"), "--listen", `127.0.0.1:${this.port}`];
    args.push("--config", join(this.dir, "sotto.toml"), ...(demo ? ["--demo"] : []));
    const child = spawn(join(bin, "sottod"), args, {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process = child;
    this.printed = [];
    const ready = new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          this.printed.push(line);
          if (line.includes("listens on")) resolve();
        });
      }
      child.once("exit", (code) => reject(new Error(`sottod ended (${String(code)}): ${this.printed.join("\n")}`)));
    });
    await ready;
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.process;
    this.process = null;
    if (child === null || child.exitCode !== null) return;
    child.removeAllListeners("exit");
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /** Copies the store of the running server. */
  async backup(): Promise<void> {
    await this.admin("backup", join(this.dir, "backup"));
  }

  /** Sets the stopped server back to the backup. */
  async restore(): Promise<void> {
    rmSync(join(this.dir, "data"), { recursive: true, force: true });
    await this.admin("restore", join(this.dir, "backup"));
  }

  private async admin(...args: string[]): Promise<void> {
    const child = spawn(join(bin, "sottod"), [...args, "--data", join(this.dir, "data")], { stdio: ["ignore", "ignore", "pipe"] });
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`sottod ${args.join(" ")} ended with ${String(code)}: ${err}`);
  }

  async remove(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** `sotto` as a person of its own; resolves to what it printed. */
  async cli(person: string, ...args: string[]): Promise<string> {
    const all = ["--home", join(this.dir, "cli"), "--profile", person, "--server", this.url, ...args];
    const child = spawn(join(bin, "sotto"), all, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`sotto ${args.join(" ")} ended with ${String(code)}: ${out}${err}`);
    return out;
  }

  /** `sotto --json`: its last line. */
  async json(person: string, ...args: string[]): Promise<Record<string, unknown>> {
    const lines = (await this.cli(person, "--json", ...args)).trim().split("\n");
    return JSON.parse(lines.at(-1) ?? "null") as Record<string, unknown>;
  }

  /** `sotto` with lines on its standard input; resolves when it has ended well. */
  async feed(person: string, lines: string[], ...args: string[]): Promise<void> {
    const all = ["--home", join(this.dir, "cli"), "--profile", person, "--server", this.url, ...args];
    const child = spawn(join(bin, "sotto"), all, { stdio: ["pipe", "ignore", "pipe"] });
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.stdin.end(`${lines.join("\n")}\n`);
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`sotto ${args.join(" ")} ended with ${String(code)}: ${err}`);
  }

  /** `sotto listen` in the background: reads what arrives, and so gives ticks. Returns what ends it. */
  listen(person: string, ...args: string[]): () => Promise<void> {
    const all = ["--home", join(this.dir, "cli"), "--profile", person, "--server", this.url, "listen", ...args];
    const child = spawn(join(bin, "sotto"), all, { stdio: "ignore" });
    return async () => {
      if (child.exitCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    };
  }
}
