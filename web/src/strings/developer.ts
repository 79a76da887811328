/** What the developer corner says; loaded with it. */
import { chat } from "./chat";
import { gate } from "./gate";
import { speaker } from "./speaker";

const developer = {
  "dev.title": "Developer",
  "dev.asking": "Asking the server",
  "dev.off": "The operator of this server has not switched these numbers on. On a server of few people they tell who is there. To show them, in sotto.toml:",
  "dev.unreachable": "The server does not answer. These are its last numbers.",
  "dev.docs": "The API of this server",
  "dev.docs.hint": "Its documentation, and how to write bots and clients.",
  "dev.docs.open": "Open",
  "dev.now": "Now",
  "dev.online": "Online",
  "dev.online.hint": "People with a connection, whether they let others see it or not.",
  "dev.offline": "Offline",
  "dev.connections": "Connections",
  "dev.connections.hint": "One for each device that is connected.",
  "dev.subscriptions": "Subscriptions",
  "dev.subscriptions.hint": "Pairs of a device and somebody its screen shows.",
  "dev.cost": "Heartbeats",
  "dev.rate": "Heartbeats each second",
  "dev.rate.value": "{rate} /s",
  "dev.rate.chart": "Heartbeats each second over the last minute; now {rate}, at most {most}",
  "dev.cpu": "Processor time for one heartbeat",
  "dev.cpu.hint": "Over the last minute, of the whole process: everything else the server did in it counts, too.",
  "dev.cpu.value": "{micros} µs",
  "dev.cpu.none": "No heartbeat yet",
  "dev.uptime": "Running for",
  "dev.billions": "Two billion people",
  "dev.billions.rate": "Heartbeats, one every 30 s each",
  "dev.billions.cores": "Cores, at the cost measured here",
  "dev.billions.memory": "Memory, at most",
  "dev.billions.memory.hint": "An upper bound: 200 bytes for each person.",
} as const;

export const t = speaker({ ...chat, ...gate, ...developer });
