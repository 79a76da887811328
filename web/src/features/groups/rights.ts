/** What a person may do in a group, and how its members are named. */
import type { GroupMemberView, GroupView } from "@sotto/engine";

type Named = Pick<GroupMemberView, "account" | "display_name" | "username">;

/** As the engine names people in lines. */
export const memberName = ({ account, display_name, username }: Named): string => display_name ?? username ?? account.slice(0, 8);

/** By the signed list's own rules. */
export interface Rights {
  add: boolean;
  details: boolean;
  admin: boolean;
  owner: boolean;
}

export function rightsIn({ my_role: role, add, change_details, deleted }: GroupView): Rights {
  const inside = role !== null && !deleted;
  const admin = inside && role !== "member";
  return {
    add: inside && (admin || add === "members"),
    details: inside && (admin || change_details === "members"),
    admin,
    owner: inside && role === "owner",
  };
}

/** Whether this person may pin the new key of a member. */
export function mayReadd(member: GroupMemberView, rights: Rights): boolean {
  return member.key_changed && (member.role === "member" ? rights.add : rights.admin);
}

/** A group's members at most, and those of a small private one. */
export const MEMBERS_MAX = { log: 1024, pairwise: 128 } as const;
