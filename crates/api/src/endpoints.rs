//! The API, row by row; `sotto_wire::http` has the same table and the bodies.

use crate::endpoint::{Endpoint, delete, get, post, put};
use crate::handlers::{accounts, devices, groups, keys, links, people, recovery, sign_in};
use http::StatusCode;
use sotto_types::ErrorCode::*;
use sotto_wire::http::*;

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

pub(crate) fn all() -> Vec<Endpoint> {
    let mut all = account_endpoints();
    all.extend(sign_in_endpoints());
    all.extend(key_endpoints());
    all.extend(device_endpoints());
    all.extend(recovery_endpoints());
    all.extend(block_endpoints());
    all.extend(people_endpoints());
    all.extend(group_endpoints());
    all
}

fn account_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "Accounts";
    vec![
        get("/v1/server", accounts::server_info)
            .named(TAG, "server_info", "What this server is")
            .details("Version, who may register, and the generation, which changes with every restore from a backup.")
            .answers::<ServerInfo>(OK),
        post("/v1/accounts", accounts::register)
            .named(TAG, "register", "Create an account with its first device")
            .details(
                "The client makes the account id, the identity key, the device's keys and the recovery code; the server gets \
                 public keys only. The same request again gets the same answer. Keep the receipt: it lets the account come \
                 back, with the list its devices have, should the server be restored from a backup that did not know it.",
            )
            .takes_keys::<Register>()
            .answers::<Registered>(CREATED)
            .errors(&[
                UsernameTaken,
                UsernameInvalid,
                RegistrationClosed,
                InviteInvalid,
                ListSignatureInvalid,
                ListInvalid,
                TooManyDevices,
                KeyRejected,
                AccountExists,
            ]),
        get("/v1/accounts/me", accounts::own_account)
            .named(TAG, "own_account", "The own account and its devices")
            .for_devices()
            .answers::<OwnAccount>(OK),
        delete("/v1/accounts/me", accounts::delete_account)
            .named(TAG, "delete_account", "Delete the own account")
            .details(
                "Everything of it goes: devices, keys, waiting messages, blocks. The username stays reserved for 30 days. What \
                 others have received stays with them.",
            )
            .for_devices()
            .errors(&[UnknownAccount]),
        get("/v1/usernames/{username}", accounts::find_username)
            .named(TAG, "find_username", "Find an account by its exact name")
            .for_devices()
            .in_path("username", "3 to 32 of a-z 0-9 _ . in any case; a leading @ is dropped.")
            .answers::<Found>(OK)
            .errors(&[UsernameInvalid, NotFound]),
        get("/v1/accounts/{account}/devices", accounts::account_devices)
            .named(TAG, "account_devices", "An account's signed device list")
            .details("Check the signature and that the version is not lower than the highest seen before using it.")
            .for_devices()
            .in_path("account", "Account id (UUID).")
            .answers::<AccountDevices>(OK)
            .errors(&[UnknownAccount]),
    ]
}

fn sign_in_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "Sign-in";
    vec![
        post("/v1/auth/challenge", sign_in::challenge)
            .named(TAG, "sign_in_challenge", "Get a challenge to sign in with")
            .details("Answered for any device, known or not.")
            .takes::<ChallengeFor>()
            .answers::<Challenge>(OK),
        post("/v1/auth/token", sign_in::sign_in)
            .named(TAG, "sign_in", "Exchange a signed challenge for an access token")
            .details(
                "The token is good for 15 minutes. device-unlinked is final. unknown-device means that the server was restored \
                 from a backup and may have forgotten the device: see POST /v1/devices/restore. unknown-account together with a \
                 new generation means the same for the whole account: register again with the receipt.",
            )
            .takes::<SignIn>()
            .answers::<AccessToken>(OK)
            .errors(&[
                ChallengeInvalid,
                SignatureInvalid,
                UnknownAccount,
                UnknownDevice,
                DeviceUnlinked,
                DeviceSuspended,
                AccountDisabled,
            ]),
    ]
}

fn key_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "Prekeys";
    vec![
        post("/v1/accounts/{account}/prekeys", keys::take)
            .named(TAG, "take_prekeys", "Take prekey bundles to start sessions with")
            .details(
                "Each one-time key is handed out once. How many bundles one account may take of another is limited.",
            )
            .for_devices()
            .in_path("account", "Account id (UUID).")
            .takes::<TakePreKeys>()
            .answers::<PreKeyBundles>(OK)
            .errors(&[UnknownAccount]),
        put("/v1/keys", keys::upload)
            .named(TAG, "upload_keys", "Upload new prekeys of this device")
            .details("All or none: every key and signature is verified first.")
            .for_devices()
            .takes_keys::<UploadKeys>()
            .answers::<KeyCounts>(OK)
            .errors(&[KeyRejected]),
        get("/v1/keys", keys::counts)
            .named(TAG, "key_counts", "How many one-time prekeys are left")
            .for_devices()
            .answers::<KeyCounts>(OK),
    ]
}

fn device_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "Devices";
    vec![
        post("/v1/links", links::open)
            .named(TAG, "open_link", "Open a link session (new device)")
            .details("The link goes into the QR code, together with the new device's ephemeral public key. 10 minutes.")
            .answers::<LinkSession>(CREATED),
        get("/v1/links/{link}", links::poll)
            .named(TAG, "poll_link", "Wait for the provisioning message (new device)")
            .in_path("link", "From the link session.")
            .in_query("wait_s", "How long to wait for it, at most 25 s. The answer comes as soon as it is there.")
            .answers::<LinkAnswer>(OK)
            .errors(&[LinkExpired]),
        put("/v1/links/{link}", links::answer)
            .named(TAG, "answer_link", "Send the encrypted provisioning message (existing device)")
            .for_devices()
            .in_path("link", "From the QR code.")
            .takes::<LinkAnswer>()
            .errors(&[LinkExpired]),
        post("/v1/devices/link-codes", devices::link_code)
            .named(TAG, "make_link_code", "Make a code with which one device may add itself")
            .for_devices()
            .answers::<LinkCode>(CREATED)
            .errors(&[TooManyDevices]),
        post("/v1/devices", devices::add)
            .named(TAG, "add_device", "Add this device to an account")
            .details(
                "With a link code, or the code that recovery gave. The list is the current one plus this device; after a \
                 recovery it may also drop devices. Lost answers may be asked for again with the same body.",
            )
            .takes_keys::<AddDevice>()
            .answers::<DeviceAdded>(CREATED)
            .errors(&[
                LinkCodeInvalid,
                ListVersionConflict,
                ListSignatureInvalid,
                ListInvalid,
                TooManyDevices,
                KeyRejected,
                AccountDisabled,
                UnknownAccount,
            ]),
        delete("/v1/devices/{device}", devices::remove)
            .named(TAG, "remove_device", "Unlink a device")
            .details("The body is the list without it. Its connection ends at once and every later request of it is refused.")
            .for_devices()
            .in_path("device", "Device id, 1 to 127; may be the own.")
            .takes::<SignedList>()
            .errors(&[UnknownDevice, ListVersionConflict, ListSignatureInvalid, ListInvalid]),
        put("/v1/devices/list", devices::resign)
            .named(TAG, "resign_list", "Upload a newer device list")
            .details(
                "With fewer devices (after some were suspended), or to tell a restored server what it forgot. The list that the \
                 server has already is taken without a change.",
            )
            .for_devices()
            .takes::<SignedList>()
            .errors(&[ListVersionConflict, ListSignatureInvalid, ListInvalid, TooManyDevices]),
        post("/v1/devices/restore", devices::restore)
            .named(TAG, "restore_device", "Come back to a server that was restored from a backup")
            .details(
                "For a device that the backup did not know. It proves itself by the list its account's identity key signed. Works \
                 for 30 days after a restore, until the account's devices have changed.",
            )
            .takes_keys::<RestoreDevice>()
            .errors(&[
                ChallengeInvalid,
                SignatureInvalid,
                UnknownAccount,
                DeviceUnlinked,
                AccountDisabled,
                ListVersionConflict,
                ListSignatureInvalid,
                ListInvalid,
                TooManyDevices,
                KeyRejected,
            ]),
        post("/v1/devices/stolen", devices::replace_identity)
            .named(TAG, "replace_identity", "Unlink as stolen: replace the identity key")
            .details(
                "Needs the recovery code. This device stays, all others must link again, and contacts are shown that the key \
                 changed.",
            )
            .for_devices()
            .takes_keys::<ReplaceIdentity>()
            .errors(&[
                ChallengeInvalid,
                RecoveryRefused,
                ListVersionConflict,
                ListSignatureInvalid,
                ListInvalid,
                KeyRejected,
            ]),
    ]
}

fn recovery_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "Recovery";
    vec![
        post("/v1/recovery/challenge", recovery::challenge)
            .named(TAG, "recovery_challenge", "Get a challenge to sign with the recovery key")
            .details("Answered for any name, so that it does not tell who exists.")
            .takes::<RecoveryFor>()
            .answers::<Challenge>(OK)
            .errors(&[UsernameInvalid]),
        post("/v1/recovery", recovery::recover)
            .named(TAG, "recover", "Get back into an account with the recovery code")
            .details("Answers with the encrypted identity key and a code for POST /v1/devices.")
            .takes::<Recover>()
            .answers::<Recovered>(OK)
            .errors(&[UsernameInvalid, ChallengeInvalid, RecoveryRefused, AccountDisabled]),
        put("/v1/recovery", recovery::set)
            .named(TAG, "set_recovery", "Replace the recovery code")
            .details(
                "Needs the current code, since the code outranks devices: a device alone cannot replace it. The old code stops \
                 working. The same request again gets the same answer.",
            )
            .for_devices()
            .takes::<ReplaceRecovery>()
            .errors(&[ChallengeInvalid, RecoveryRefused, KeyRejected]),
    ]
}

fn block_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "Blocks";
    vec![
        get("/v1/blocks", accounts::blocks)
            .named(TAG, "blocks", "Whom this account has blocked")
            .for_devices()
            .answers::<Blocks>(OK),
        put("/v1/blocks/{account}", accounts::block)
            .named(TAG, "block", "Block an account")
            .details("What it sends is dropped; to it, that looks as if nobody was ever online.")
            .for_devices()
            .in_path("account", "Account id (UUID).")
            .errors(&[UnknownAccount]),
        delete("/v1/blocks/{account}", accounts::unblock)
            .named(TAG, "unblock", "Unblock an account")
            .for_devices()
            .in_path("account", "Account id (UUID)."),
    ]
}

fn people_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "People";
    vec![
        get("/v1/contacts", people::contacts)
            .named(TAG, "contacts", "Whom this account has accepted")
            .for_devices()
            .answers::<Contacts>(OK),
        put("/v1/contacts/{account}", people::add_contact)
            .named(TAG, "add_contact", "Make somebody a contact")
            .details(
                "Call it when the person accepts a message request, or writes first. From then on the account gets receipts, and is \
                 told at once how far its messages were received and read. The answer does not tell whether there is such an account.",
            )
            .for_devices()
            .in_path("account", "Account id (UUID).")
            .errors(&[TooManyContacts]),
        delete("/v1/contacts/{account}", people::remove_contact)
            .named(TAG, "remove_contact", "Take that back")
            .for_devices()
            .in_path("account", "Account id (UUID)."),
        get("/v1/privacy", people::privacy)
            .named(TAG, "privacy", "What this account lets others see and do")
            .for_devices()
            .answers::<Privacy>(OK),
        put("/v1/privacy", people::set_privacy)
            .named(TAG, "set_privacy", "Replace the privacy settings")
            .details(
                "`version` is that of the settings which the change began from; the answer has the next one. privacy-conflict: another \
                 device was first, and `privacy` has what is in force. The same request again gets the same answer.",
            )
            .for_devices()
            .takes::<Privacy>()
            .answers::<Privacy>(OK)
            .errors(&[PrivacyConflict]),
        get("/v1/profile", people::own_profile)
            .named(TAG, "own_profile", "The own profile")
            .for_devices()
            .answers::<Profile>(OK)
            .errors(&[NotFound]),
        put("/v1/profile", people::put_profile)
            .named(TAG, "put_profile", "Replace the own profile")
            .details(
                "The server cannot read it; `key_id` names the profile key that it is encrypted with. profile-conflict: the stored one has \
                 this version or a higher one. The same request again gets the same answer.",
            )
            .for_devices()
            .takes_keys::<Profile>()
            .errors(&[ProfileConflict]),
        get("/v1/accounts/{account}/profile", people::profile)
            .named(TAG, "profile", "Somebody's profile, for who has its key")
            .details(
                "There is one answer for everything else: no such account, no profile, another key, or being blocked.",
            )
            .for_devices()
            .in_path("account", "Account id (UUID).")
            .in_query("key_id", "32 hex digits, of the profile key.")
            .answers::<Profile>(OK)
            .errors(&[NotFound]),
        post("/v1/reports", people::report)
            .named(TAG, "report", "Report somebody to the server's operator")
            .details(
                "The operator reads the comment and the messages; they are the reporter's word, which nothing proves. Ten a day. The \
                 answer does not tell whether there is such an account.",
            )
            .for_devices()
            .takes_keys::<Report>(),
    ]
}

fn group_endpoints() -> Vec<Endpoint> {
    const TAG: &str = "Groups";
    vec![
        post("/v1/groups", groups::create)
            .named(TAG, "create_group", "Create a group")
            .details(
                "The operation names all first members, and the group's id is its hash. The same operation again gets the same \
                 answer.",
            )
            .for_devices()
            .takes_keys::<PostOperation>()
            .answers::<OperationAccepted>(CREATED)
            .errors(&[UnknownAccount, GroupConflict, GroupOperationRefused, GroupAddRefused, GroupFull]),
        get("/v1/groups", groups::own)
            .named(TAG, "own_groups", "The groups of the own account")
            .details("Those it left or was removed from less than 30 days ago too.")
            .for_devices()
            .answers::<Groups>(OK),
        get("/v1/groups/{group}", groups::look)
            .named(TAG, "group", "A group's operations from a revision on")
            .details(
                "Verify the signature and the chain of each, and apply them in order. The last page has the newest encrypted \
                 details and every member's device list version.",
            )
            .for_devices()
            .in_path("group", "64 hex digits.")
            .in_query("from", "The first revision wanted; 0 if absent.")
            .answers::<GroupPage>(OK)
            .errors(&[UnknownGroup]),
        post("/v1/groups/{group}/operations", groups::operate)
            .named(TAG, "post_operation", "Change a group")
            .details(
                "Adds a signed operation to the group's list and log. group-conflict: another one was first; fetch it, make the \
                 change again on top. The same operation again gets the same answer.",
            )
            .for_devices()
            .in_path("group", "64 hex digits.")
            .takes_keys::<PostOperation>()
            .answers::<OperationAccepted>(OK)
            .errors(&[
                UnknownAccount,
                UnknownGroup,
                GroupConflict,
                GroupOperationRefused,
                GroupAddRefused,
                GroupFull,
                GroupInviteClosed,
            ]),
        post("/v1/groups/{group}/restore", groups::restore)
            .named(TAG, "restore_group", "Give a restored server a group back")
            .details(
                "For members who have seen operations that the server, restored from a backup, has not. Each is verified and applied as \
                 when it was made. group-conflict: the server has another operation in the place of one.",
            )
            .for_devices()
            .in_path("group", "64 hex digits.")
            .takes_keys::<RestoreGroup>()
            .answers::<GroupRestored>(OK)
            .errors(&[UnknownGroup, GroupConflict, GroupOperationRefused, GroupFull]),
        post("/v1/groups/{group}/devices", groups::devices)
            .named(TAG, "group_devices", "The signed device lists of members")
            .for_devices()
            .in_path("group", "64 hex digits.")
            .takes::<GroupAccounts>()
            .answers::<GroupDevices>(OK)
            .errors(&[UnknownGroup]),
        post("/v1/groups/{group}/prekeys", groups::take_prekeys)
            .named(TAG, "take_group_prekeys", "Take prekey bundles of members")
            .details("As POST /v1/accounts/{account}/prekeys, of up to 64 members at once; whoever is over a limit is left out.")
            .for_devices()
            .in_path("group", "64 hex digits.")
            .takes::<GroupTakePreKeys>()
            .answers::<GroupPreKeys>(OK)
            .errors(&[UnknownGroup, UnknownAccount]),
        get("/v1/groups/{group}/marks", groups::marks)
            .named(TAG, "group_marks", "How far members have received and read")
            .for_devices()
            .in_path("group", "64 hex digits.")
            .answers::<GroupMarks>(OK)
            .errors(&[UnknownGroup]),
        get("/v1/group-invites/{public_key}", groups::invited)
            .named(TAG, "group_invite", "What an invite link leads to")
            .details("The operations and the encrypted details, to verify and show before joining.")
            .for_devices()
            .in_path("public_key", "Of the link, 64 hex digits.")
            .in_query("group", "From the link, 64 hex digits.")
            .in_query("from", "The first revision wanted; 0 if absent.")
            .answers::<GroupPage>(OK)
            .errors(&[GroupInviteClosed]),
    ]
}
