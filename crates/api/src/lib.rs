//! The public contract: what a caller says and hears. No I/O.
//!
//! [`ExecuteRequest`] is read from the body of `POST /execute`; every answer is an [`Answer`],
//! whose status is fixed by what it says. [`openapi()`] describes all of it to machines, out of the same
//! types. [`base64`] is the one way attachments come in and files go out, [`Timestamp`] the one way a
//! moment is written.
#![forbid(unsafe_code)]

pub mod base64;
mod error;
mod health;
mod openapi;
mod request;
mod response;
mod timestamp;

pub use error::ErrorCode;
pub use health::{Health, HealthStatus};
pub use openapi::{Told, openapi};
pub use request::{Attachment, ExecuteRequest, RETURN_NAMES_READ_MAX, Unreadable};
pub use response::{
    Answer, ErrorAnswer, ErrorDetails, ExecutionDetails, ExecutionResult, LimitHit, Load,
    OutputFile, OutputFiles, ProcessedAttachment, RequestContext, ServerStatus, Spent,
    SuccessAnswer, Usage, UserInfo,
};
pub use timestamp::Timestamp;
