//! Names, counts and sizes of what comes in.
//!
//! Names of what goes out are not looked at here: a bad one is told beside its name, by `sandbox`.

use api::base64::{self, NotDecoded};
use api::{Attachment, ExecuteRequest, ProcessedAttachment};
use sandbox::InputFile;

use crate::refusal::{AttachmentTrouble, Refusal};

/// Longest name that a Linux file system takes. Bytes.
const NAME_BYTES_MAX: usize = 255;

/// Bounds on attachments.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileLimits {
    /// How many.
    pub count_max: usize,
    /// Largest, decoded. Bytes; nothing larger is decoded.
    pub bytes_max: usize,
}

/// Attachments that were accepted.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// All of them, as the answer lists them.
    pub processed: Vec<ProcessedAttachment>,
    /// The files to put into the workspace, each name once: of two equal names the later.
    pub(super) inputs: Vec<InputFile>,
}

impl FileLimits {
    pub(super) fn unpack(self, request: &ExecuteRequest<'_>) -> Result<Files, Refusal> {
        if request.attachment_count > self.count_max {
            return Err(Refusal::TooManyAttachments {
                count: request.attachment_count,
                max: self.count_max,
            });
        }
        let mut files = Files::default();
        for (index, attachment) in request.attachments.iter().enumerate() {
            let input = self
                .unpack_one(attachment)
                .map_err(|trouble| Refusal::Attachment {
                    number: index + 1,
                    trouble,
                })?;
            files.processed.push(ProcessedAttachment {
                filename: input.name.clone(),
                size_bytes: input.content.len(),
            });
            files.inputs.retain(|earlier| earlier.name != input.name);
            files.inputs.push(input);
        }
        Ok(files)
    }

    fn unpack_one(self, attachment: &Attachment<'_>) -> Result<InputFile, AttachmentTrouble> {
        let name = attachment.filename.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(AttachmentTrouble::NameMissing);
        }
        let name = name_in_workspace(name).ok_or(AttachmentTrouble::NameNotAllowed)?;
        let text = attachment.content_base_64.as_deref().unwrap_or_default();
        if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return Err(AttachmentTrouble::ContentMissing);
        }
        let bytes_max = self.bytes_max;
        let content = base64::decode(text, bytes_max).map_err(|trouble| match trouble {
            NotDecoded::NotBase64 => AttachmentTrouble::NotBase64,
            NotDecoded::TooLarge { size_bytes } => AttachmentTrouble::TooLarge {
                size_bytes,
                bytes_max,
            },
        })?;
        Ok(InputFile {
            name: name.to_owned(),
            content,
        })
    }
}

/// The name that an attachment gets in the workspace: the last part of a relative path, if it can be
/// a file's name.
#[must_use]
pub fn name_in_workspace(name: &str) -> Option<&str> {
    if name.starts_with('/') || name.contains("..") || name.contains('\0') {
        return None;
    }
    let part = name.rsplit('/').next()?;
    let fits = !part.is_empty() && part != "." && part.len() <= NAME_BYTES_MAX;
    fits.then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FileLimits = FileLimits {
        count_max: 2,
        bytes_max: 10,
    };

    fn unpack(attachments: &serde_json::Value) -> Result<Files, Refusal> {
        let body = serde_json::json!({"code": "", "attachments": attachments}).to_string();
        LIMITS.unpack(&ExecuteRequest::parse(body.as_bytes()).unwrap())
    }

    fn trouble(filename: &str, content: &str) -> AttachmentTrouble {
        let one = serde_json::json!([{"filename": filename, "content_base_64": content}]);
        match unpack(&one).unwrap_err() {
            Refusal::Attachment { number: 1, trouble } => trouble,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_last_part_of_a_name_is_kept() {
        let two = serde_json::json!([
            {"filename": "some/folder/a.txt", "content_base_64": "aGVsbG8="},
            {"filename": ".hidden \\ é", "content_base_64": "aGk="},
        ]);
        let files = unpack(&two).unwrap();
        let seen: Vec<(&str, usize)> = files
            .processed
            .iter()
            .map(|file| (file.filename.as_str(), file.size_bytes))
            .collect();
        assert_eq!(seen, [("a.txt", 5), (".hidden \\ é", 2)]);
        assert_eq!(files.inputs[0].content, b"hello");
    }

    #[test]
    fn the_later_of_two_equal_names_wins_and_both_are_listed() {
        let two = serde_json::json!([
            {"filename": "a", "content_base_64": "b25l"},
            {"filename": "x/a", "content_base_64": "dHdv"},
        ]);
        let files = unpack(&two).unwrap();
        assert_eq!(files.processed.len(), 2);
        assert_eq!(files.inputs.len(), 1);
        assert_eq!(files.inputs[0].content, b"two");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        for name in [
            "/a", "../a", "a/../b", "a..b", "..", ".", "a/", "a/.", "a\0b", &long,
        ] {
            assert_eq!(
                trouble(name, "aGk="),
                AttachmentTrouble::NameNotAllowed,
                "{name}"
            );
        }
        assert_eq!(trouble("", "aGk="), AttachmentTrouble::NameMissing);
    }

    #[test]
    fn content_must_be_there_and_be_base64_and_fit() {
        assert_eq!(trouble("a", ""), AttachmentTrouble::ContentMissing);
        assert_eq!(trouble("a", "\n "), AttachmentTrouble::ContentMissing);
        assert_eq!(trouble("a", "not base64!"), AttachmentTrouble::NotBase64);
        let eleven = base64::encode(&[0; 11]);
        assert_eq!(
            trouble("a", &eleven),
            AttachmentTrouble::TooLarge {
                size_bytes: 11,
                bytes_max: 10
            }
        );
        let ten =
            serde_json::json!([{"filename": "a", "content_base_64": base64::encode(&[0; 10])}]);
        unpack(&ten).unwrap();
    }

    #[test]
    fn a_third_attachment_is_refused_before_any_is_looked_at() {
        let refusal = unpack(&serde_json::json!([{}, {}, {}])).unwrap_err();
        assert_eq!(refusal, Refusal::TooManyAttachments { count: 3, max: 2 });
    }
}
