import type { Command } from "./api.js";
import type { Ask } from "./protocol.js";

const REPEATABLE: Record<Command["command"], boolean> = {
  register: false,
  start_link: false,
  approve_link: false,
  recover: false,
  remove_device: false,
  new_recovery_code: false,
  delete_account: false,
  retry_message: false,
  create_group: false,
  change_group: false,
  send_text: true,
  set_online: true,
  who_am_i: true,
  find_person: true,
  cancel_message: true,
  mark_read: true,
  conversations: true,
  conversation: true,
  set_conversation: true,
  history: true,
  message: true,
  search: true,
  contact: true,
  contacts: true,
  safety_number: true,
  set_verified: true,
  accept_key: true,
  set_blocked: true,
  devices: true,
  request_history: true,
  group: true,
  look_at_invite: true,
  join_group: true,
  status: true,
  export: true,
};

/** Whether carrying it out twice is the same as once. A message stays one by its name. */
export function canRepeat(ask: Ask): boolean {
  if (ask.ask !== "command") return true;
  const { command } = ask;
  return command.command === "send_text" ? command.name !== null : REPEATABLE[command.command];
}
