//! Errors with stable numbers. The same number stands in a WebSocket `Error.code` and in an HTTP problem's `code`;
//! `slug` ends the problem's `type` ("https://sotto.dev/errors/<slug>" is an identifier, not a page to fetch).

/// What a client does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The same again, after `retry_after`.
    Retry,
    /// Sign in and connect again.
    Reconnect,
    /// Do not repeat; tell the person or the developer.
    Stop,
}

impl Action {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Reconnect => "reconnect",
            Self::Stop => "stop",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $slug:literal, $status:literal, $action:ident;)*) => {
        /// Every error the server gives, with number, slug, HTTP status and what to do. Numbers are never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum ErrorCode { $($(#[$doc])* $name = $number,)* }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub const fn number(self) -> u32 { self as u32 }

            pub const fn slug(self) -> &'static str { match self { $(Self::$name => $slug,)* } }

            pub const fn http_status(self) -> u16 { match self { $(Self::$name => $status,)* } }

            pub const fn action(self) -> Action { match self { $(Self::$name => Action::$action,)* } }

            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The first frame was not Hello, or none came within 10 s.
    HelloRequired = 100, "hello-required", 400, Reconnect;
    /// The bytes are not a frame, or a field has an impossible value. The connection closes.
    BadFrame = 101, "bad-frame", 400, Reconnect;
    /// Over 4 MiB.
    FrameTooLarge = 102, "frame-too-large", 413, Stop;
    /// The client speaks no version this server knows.
    ProtocolVersion = 103, "protocol-version", 400, Stop;
    /// Not a token of this server, or for another device.
    TokenInvalid = 104, "token-invalid", 401, Reconnect;
    TokenExpired = 105, "token-expired", 401, Reconnect;
    /// This device was unlinked: it must be linked again.
    DeviceUnlinked = 106, "device-unlinked", 401, Stop;
    /// A newer connection of the same device took over.
    Replaced = 107, "replaced", 409, Stop;
    /// Absent for 30 days: it must be linked again.
    DeviceSuspended = 109, "device-suspended", 403, Stop;
    AccountDisabled = 110, "account-disabled", 403, Stop;
    /// The challenge is not ours, expired, or was used.
    ChallengeInvalid = 111, "challenge-invalid", 401, Retry;
    /// The signature does not verify.
    SignatureInvalid = 112, "signature-invalid", 401, Stop;
    UnknownAccount = 113, "unknown-account", 404, Stop;
    UnknownDevice = 114, "unknown-device", 404, Stop;
    /// The server is shutting down.
    GoingAway = 115, "going-away", 503, Reconnect;

    /// A field is missing, too long, or contradicts another.
    BadRequest = 200, "bad-request", 400, Stop;
    /// A ciphertext over 64 KiB or a body over its limit.
    TooLarge = 201, "too-large", 413, Stop;
    UnknownRecipient = 202, "unknown-recipient", 404, Stop;

    UsernameTaken = 300, "username-taken", 409, Stop;
    UsernameInvalid = 301, "username-invalid", 400, Stop;
    RegistrationClosed = 302, "registration-closed", 403, Stop;
    InviteInvalid = 303, "invite-invalid", 403, Stop;
    /// The signed list is not newer than the current one: fetch it, sign again.
    ListVersionConflict = 304, "list-version-conflict", 409, Retry;
    ListSignatureInvalid = 305, "list-signature-invalid", 400, Stop;
    /// The signed list adds, drops or changes what the request does not.
    ListInvalid = 306, "list-invalid", 400, Stop;
    TooManyDevices = 307, "too-many-devices", 409, Stop;
    /// The link code or recovery token is wrong, used or expired.
    LinkCodeInvalid = 308, "link-code-invalid", 403, Stop;
    /// The link session is gone (10 minutes).
    LinkExpired = 309, "link-expired", 404, Stop;
    /// A public key is malformed or of low order, or its signature is wrong.
    KeyRejected = 310, "key-rejected", 400, Stop;
    /// The recovery proof does not verify: wrong code or unknown name.
    RecoveryRefused = 311, "recovery-refused", 403, Stop;
    NotFound = 312, "not-found", 404, Stop;
    /// The account id exists with another identity.
    AccountExists = 313, "account-exists", 409, Stop;
    MethodNotAllowed = 314, "method-not-allowed", 405, Stop;
    UnsupportedMediaType = 315, "unsupported-media-type", 415, Stop;
    /// No such group, or this account is no member of it (they look the same).
    UnknownGroup = 320, "unknown-group", 404, Stop;
    /// The operation does not follow the newest one: fetch what is new, sign again.
    GroupConflict = 321, "group-conflict", 409, Retry;
    /// The operation breaks a rule of the group, or its signature does not verify.
    GroupOperationRefused = 322, "group-operation-refused", 403, Stop;
    /// The group, or the account's number of groups, is at its limit.
    GroupFull = 323, "group-full", 409, Stop;
    /// The invite link was closed, is used up or has expired.
    GroupInviteClosed = 324, "group-invite-closed", 403, Stop;
    /// Only admins may post here.
    GroupPostRefused = 325, "group-post-refused", 403, Stop;
    /// Somebody cannot be added: no account, another identity key, or a privacy setting (they look the same).
    GroupAddRefused = 326, "group-add-refused", 403, Stop;
    TooManyContacts = 330, "too-many-contacts", 409, Stop;
    /// Another device changed the privacy settings meanwhile: take the current ones, change them again.
    PrivacyConflict = 331, "privacy-conflict", 409, Retry;
    /// The stored profile is not older than this one.
    ProfileConflict = 332, "profile-conflict", 409, Retry;

    /// A connection watches the presence of at most 512 people.
    TooManySubscriptions = 340, "too-many-subscriptions", 409, Stop;

    RateLimited = 400, "rate-limited", 429, Retry;

    Internal = 500, "internal", 500, Retry;
    /// The store does not answer in time, or a queue is full.
    Unavailable = 501, "unavailable", 503, Retry;
    /// The disk of the server is full; reads go on.
    StorageFull = 502, "storage-full", 507, Retry;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_and_slugs_are_unique_and_round_trip() {
        let slugs: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.slug()).collect();
        assert_eq!(slugs.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
        }
        assert_eq!(ErrorCode::from_number(1), None);
    }
}
