use sotto_types::ErrorCode;

/// What each error means and what to do, for developers. Exhaustive: a new code does not compile without its line.
pub fn meaning(code: ErrorCode) -> &'static str {
    use ErrorCode::*;
    match code {
        HelloRequired => "The first frame was not Hello, or none came within 10 s.",
        BadFrame => "The bytes are no frame, or a field has an impossible value. The connection closes.",
        FrameTooLarge => "A frame of more than 4 MiB. The connection closes.",
        ProtocolVersion => "The client speaks no version that this server knows: update it.",
        TokenInvalid => "No token, not a token of this server, or for another device. Sign in.",
        TokenExpired => "Access tokens last 15 minutes. Sign in again.",
        DeviceUnlinked => "This device is not linked any more. It keeps its history and must be linked again.",
        Replaced => "A newer connection of the same device took over.",
        DeviceSuspended => "Absent for 30 days: this device must be linked again.",
        AccountDisabled => "The operator disabled this account.",
        ChallengeInvalid => {
            "The challenge is not of this server, not for this subject, expired, or was used. Get a new one."
        }
        SignatureInvalid => "The signature is not by the key that the server knows.",
        UnknownAccount => "No account with this id. If the generation is a new one, register again with the receipt.",
        UnknownDevice => "No device with this id. At sign-in: the server was restored, see POST /v1/devices/restore.",
        GoingAway => "The server is shutting down. Reconnect after the time it says.",
        BadRequest => "Malformed JSON, or a field is missing, too long, or contradicts another.",
        TooLarge => "A ciphertext over 64 KiB, or a body over its limit.",
        UnknownRecipient => "The recipient has no account on this server (any more).",
        UsernameTaken => "Somebody has this name, or had it until less than 30 days ago.",
        UsernameInvalid => "A username has 3 to 32 of a-z 0-9 _ .",
        RegistrationClosed => "This server takes no new accounts.",
        InviteInvalid => "The invite is missing, unknown, expired or used up.",
        ListVersionConflict => {
            "The signed list is not newer than the current one. Fetch it, apply the change, sign again."
        }
        ListSignatureInvalid => "The list is not signed by the account's identity key.",
        ListInvalid => "The list breaks a rule, or changes what the request does not name.",
        TooManyDevices => "An account has at most 10 devices. Unlink one first.",
        LinkCodeInvalid => "The link code or recovery token is wrong, used or expired.",
        LinkExpired => "The link session is gone (10 minutes). Begin again.",
        KeyRejected => "A public key is malformed or of low order, or its signature is wrong.",
        RecoveryRefused => "The recovery code is wrong, or there is no such name.",
        NotFound => "Nothing here, or nobody of this name.",
        AccountExists => "The account id is registered with other keys or another name.",
        MethodNotAllowed => "The path exists, with other methods: see the Allow header.",
        UnsupportedMediaType => "Bodies are application/json.",
        UnknownGroup => "No such group on this server, or this account is no member of it.",
        GroupConflict => "The group changed meanwhile: fetch the operations after yours, make the change again.",
        GroupOperationRefused => {
            "The operation breaks a rule of the group (roles, permissions, limits), or its signature or chain is wrong."
        }
        GroupFull => {
            "A group has at most 1,024 members (128 if pairwise), an account at most 1,024 groups, and 64 stays in one that a device of it has not read."
        }
        GroupInviteClosed => "The invite link was closed, is used up or has expired.",
        GroupPostRefused => {
            "Only admins may post to this group, or the own identity key changed and an admin must add the account again."
        }
        GroupAddRefused => {
            "Those in `accounts` cannot be added: no account here, another identity key, or they let nobody (of the kind you are) add them. Fetch their keys again, or send them an invite link."
        }
        TooManyContacts => "An account has at most 10,000 contacts.",
        PrivacyConflict => {
            "Another device changed the settings meanwhile. Take those in `privacy`, make the change again on top."
        }
        ProfileConflict => "The stored profile has this version or a higher one. Fetch it, and put a higher one.",
        TooManySubscriptions => {
            "A connection watches the presence of at most 512 people. Unsubscribe from others first."
        }
        RateLimited => "Too many requests. Wait as long as Retry-After says.",
        Internal => "The server failed; its operator finds the reason in the log. Try again later.",
        Unavailable => "The server is overloaded or a queue is full. Wait as long as Retry-After says.",
        StorageFull => "The server's disk is full. Reading goes on; sending works again when there is room.",
    }
}
