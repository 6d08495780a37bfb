//! Every way a request can go wrong, with its name and its status.

use serde::{Serialize, Serializer};

/// What went wrong, as the caller sees it.
///
/// The name (`error_details.type`) is fixed by the original API. What the original left to its web
/// framework has variants of its own here, for the status, and shares a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// `code` is missing.
    InvalidRequest,
    /// The request cannot be read, or breaks a limit on what comes in.
    ValidationError,
    /// A public program imports what is not allowed.
    ForbiddenImportError,
    /// A program does not parse.
    SyntaxError,
    /// The wall clock ran out.
    TimeoutError,
    /// The program ended with an exit code other than 0.
    RuntimeError,
    /// The requests of this minute or this day are used up.
    RateLimitExceeded,
    /// As many programs run as may run at once.
    ServerBusy,
    /// We broke.
    InternalServerError,
    /// There is nothing at this path.
    NotFound,
    /// This path does not take this method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The body is larger than is read.
    BodyTooLarge,
    /// The body is not JSON by its content type.
    UnsupportedMediaType,
}

impl ErrorCode {
    /// Its name in `error_details.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::NotFound | Self::MethodNotAllowed => "InvalidRequest",
            Self::ValidationError
            | Self::BodyTooSlow
            | Self::BodyTooLarge
            | Self::UnsupportedMediaType => "ValidationError",
            Self::ForbiddenImportError => "ForbiddenImportError",
            Self::SyntaxError => "SyntaxError",
            Self::TimeoutError => "TimeoutError",
            Self::RuntimeError => "RuntimeError",
            Self::RateLimitExceeded => "RateLimitExceeded",
            Self::ServerBusy => "ServerBusy",
            Self::InternalServerError => "InternalServerError",
        }
    }

    /// Its HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::ValidationError
            | Self::ForbiddenImportError
            | Self::SyntaxError
            | Self::TimeoutError
            | Self::RuntimeError => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimitExceeded => 429,
            Self::InternalServerError => 500,
            Self::ServerBusy => 503,
        }
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
