//! Every way a request can go wrong, with its name and its status.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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
    /// All of them, in the order in which a request can meet them.
    pub const ALL: [Self; 14] = [
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::InvalidRequest,
        Self::ValidationError,
        Self::RateLimitExceeded,
        Self::SyntaxError,
        Self::ForbiddenImportError,
        Self::ServerBusy,
        Self::TimeoutError,
        Self::RuntimeError,
        Self::InternalServerError,
    ];

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

    /// When it comes, in a sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The field `code` is missing.",
            Self::ValidationError => {
                "The body is not JSON, a field has the wrong type, or a limit on what comes in is \
                 broken; the message names the field."
            }
            Self::ForbiddenImportError => {
                "The program imports modules that are not on the list; `disallowed` names them."
            }
            Self::SyntaxError => "The program does not parse; the message names the line.",
            Self::TimeoutError => "The program ran longer than it may and was ended.",
            Self::RuntimeError => {
                "The program ended with an exit code other than 0, or was killed; \
                 `execution_result` has its output."
            }
            Self::RateLimitExceeded => "The requests of this minute, or of this day, are used up.",
            Self::ServerBusy => {
                "As many programs run as may run at once, or there is no room for \
                 another body or answer."
            }
            Self::InternalServerError => "Something broke on our side; `id` names it.",
            Self::NotFound => "There is nothing at this path.",
            Self::MethodNotAllowed => {
                "This path does not take this method; `Allow` lists what it takes."
            }
            Self::BodyTooSlow => "The body did not arrive in time.",
            Self::BodyTooLarge => "The body is larger than is read.",
            Self::UnsupportedMediaType => "The content type is not JSON.",
        }
    }

    /// What the caller can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Send a JSON object with the program in `code`.",
            Self::ValidationError => "Mend what the message names. The same request fails again.",
            Self::ForbiddenImportError => {
                "Use what may be imported; whoever has the admin key may import anything."
            }
            Self::SyntaxError => "Mend the line.",
            Self::TimeoutError => "Do less in one request, or look for a loop that does not end.",
            Self::RuntimeError => "Read the message and `stderr`: the program failed by itself.",
            Self::RateLimitExceeded => {
                "Wait as many seconds as `Retry-After` says, or use the admin key."
            }
            Self::ServerBusy => "Send the same request again after `Retry-After` seconds.",
            Self::InternalServerError => {
                "Send it again; should that fail, give the operator the id, which is in the log, too."
            }
            Self::NotFound => "Programs go to `POST /execute`.",
            Self::MethodNotAllowed => "Use a method that `Allow` lists.",
            Self::BodyTooSlow => "Send the body without pauses, or less of it.",
            Self::BodyTooLarge => "Send less: fewer or smaller attachments.",
            Self::UnsupportedMediaType => "Send the header `Content-Type: application/json`.",
        }
    }
}

impl JsonSchema for ErrorCode {
    fn schema_name() -> Cow<'static, str> {
        "ErrorType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut names: Vec<&str> = Self::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        json_schema!({"type": "string", "enum": names})
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_all() {
        // A new variant does not compile here until it is counted.
        const fn place(code: ErrorCode) -> usize {
            match code {
                ErrorCode::NotFound => 0,
                ErrorCode::MethodNotAllowed => 1,
                ErrorCode::UnsupportedMediaType => 2,
                ErrorCode::BodyTooLarge => 3,
                ErrorCode::BodyTooSlow => 4,
                ErrorCode::InvalidRequest => 5,
                ErrorCode::ValidationError => 6,
                ErrorCode::RateLimitExceeded => 7,
                ErrorCode::SyntaxError => 8,
                ErrorCode::ForbiddenImportError => 9,
                ErrorCode::ServerBusy => 10,
                ErrorCode::TimeoutError => 11,
                ErrorCode::RuntimeError => 12,
                ErrorCode::InternalServerError => 13,
            }
        }
        let places = ErrorCode::ALL.map(place);
        assert_eq!(places, std::array::from_fn(|index| index));
    }
}
