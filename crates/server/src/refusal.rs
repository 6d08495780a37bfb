//! Every reason to say no, without HTTP; and everything else that stops a request.

use std::time::Duration;

use sandbox::Fault;

use crate::store::StoreError;

/// Why a request is not run. The texts are for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The caller's bucket is empty.
    #[error("Rate limit of {per_minute} requests per minute exceeded.")]
    RateLimited {
        /// Requests a minute.
        per_minute: u32,
        /// Time until there is a token.
        wait: Duration,
    },
    /// The caller's day is used up.
    #[error("Daily quota of {per_day} exceeded.")]
    QuotaUsedUp {
        /// Requests a day.
        per_day: u32,
        /// Time until the next day.
        wait: Duration,
    },
    /// As many programs run as may, or the server is closing.
    #[error("The server is at its limit of {max} concurrent executions. Try again in a moment.")]
    Busy {
        /// Programs at once.
        max: usize,
    },
    /// More attachments than may come.
    #[error("Too many attachments: {count}, at most {max} are accepted.")]
    TooManyAttachments {
        /// How many came.
        count: usize,
        /// How many may.
        max: usize,
    },
    /// An attachment that cannot be put into the workspace.
    #[error("Attachment {number}: {trouble}.")]
    Attachment {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        trouble: AttachmentTrouble,
    },
    /// The program is too long.
    #[error("The code is too long: {characters} characters, at most {max} are accepted.")]
    CodeTooLong {
        /// Its length in code points.
        characters: usize,
        /// The longest.
        max: usize,
    },
    /// The program does not parse.
    #[error("{message}")]
    Unparsable {
        /// What is wrong, and where.
        message: String,
    },
    /// The program imports what it may not.
    #[error("Disallowed imports: {}.", names.join(", "))]
    ForbiddenImports {
        /// The top-level names, each once.
        names: Vec<String>,
    },
}

/// What is wrong with an attachment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AttachmentTrouble {
    /// No name.
    #[error("the field 'filename' is missing")]
    NameMissing,
    /// A name that leads elsewhere, or is none.
    #[error(
        "the file name is not allowed: it must be a relative path without '..' \
         whose last part has 1 to 255 bytes"
    )]
    NameNotAllowed,
    /// No content, or empty content.
    #[error("the field 'content_base_64' is missing or empty")]
    ContentMissing,
    /// Not Base64.
    #[error("the field 'content_base_64' is not valid Base64")]
    NotBase64,
    /// Too large.
    #[error("the file is too large: {size_bytes} bytes, at most {bytes_max} are accepted")]
    TooLarge {
        /// Its size, decoded.
        size_bytes: usize,
        /// The largest.
        bytes_max: usize,
    },
}

/// What stops a request.
#[derive(Debug)]
pub(crate) enum Stop {
    /// We said no.
    Refused(Refusal),
    /// We broke.
    Failed(Failure),
}

/// How we broke. Told to the log in full, and to the caller by an id.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The sandbox did.
    #[error("cannot run the job")]
    Sandbox(#[from] Fault),
    /// The store did.
    #[error("cannot keep the counts")]
    Store(#[from] StoreError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
