//! What a caller says: the body of `POST /execute`, read leniently in form and strictly in type.
//!
//! A hostile body must cost no more than its bytes. Unknown fields are skipped without recursion,
//! however deep they nest; lists keep a bounded number of items; texts without escapes are borrowed
//! from the body. Of two equal keys the later wins, as in Python.

mod given;

use std::borrow::Cow;
use std::collections::HashSet;

use schemars::JsonSchema;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};

use self::given::{Given, Read, Readable, TEXT, next_key};

/// Most attachments that are kept of a request; the rest is only counted.
const ATTACHMENTS_KEPT_MAX: usize = 64;

/// Most different names that `return_files` may have. Names; a request with more is refused.
///
/// The contract knows no limit on the count. This one keeps a body of nothing but names from
/// becoming an answer of many times its size.
pub const RETURN_NAMES_READ_MAX: usize = 10_000;

/// A request to run a program. Its texts borrow from the body where they can.
#[derive(Debug, PartialEq, Eq, JsonSchema)]
#[schemars(
    description = "A request to run a program. Fields that are not listed are ignored; `null` \
    counts as absent where it is allowed."
)]
pub struct ExecuteRequest<'b> {
    /// The program, in Python. An empty one runs.
    pub code: Cow<'b, str>,
    /// The admin key. A wrong one is no error: the caller is simply public.
    #[schemars(with = "Option<String>")]
    pub api_key: Option<Cow<'b, str>>,
    /// The whole standard input of the program; empty if absent.
    #[schemars(with = "Option<String>")]
    pub stdin_data: Cow<'b, str>,
    /// Files for the program's work folder. Of two with the same name the later wins.
    #[schemars(with = "Option<Vec<Attachment<'static>>>")]
    pub attachments: Vec<Attachment<'b>>,
    /// How many attachments came.
    #[schemars(skip)]
    pub attachment_count: usize,
    /// Files of the program to bring back if it ends well, each once, in the order asked.
    #[schemars(with = "Option<Vec<String>>")]
    pub return_files: Vec<Cow<'b, str>>,
}

/// A file that comes with a request, not looked into yet.
#[derive(Debug, PartialEq, Eq, JsonSchema)]
#[schemars(description = "A file that comes with a request.")]
pub struct Attachment<'b> {
    /// Its name: a relative path without `..`, whose last part, of 1 to 255 bytes, is the file's
    /// name in the work folder.
    #[schemars(with = "String", extend("pattern" = FILENAME))]
    pub filename: Option<Cow<'b, str>>,
    /// Its bytes in Base64, standard alphabet with padding; white space may stand anywhere. At least
    /// one byte.
    #[schemars(with = "String", extend("contentEncoding" = "base64", "pattern" = BASE64))]
    pub content_base_64: Option<Cow<'b, str>>,
}

/// Names of attachments, but for the bound on bytes: nothing absolute, no `..`, no zero byte, and a
/// last part that is there and is not `.`.
const FILENAME: &str = r"^(?!/)(?![\s\S]*\.\.)(?![\s\S]*/\.$)(?!\.$)[^\u0000]*[^\u0000/]$";

/// Base64 of at least one byte: groups of four, the last one padded where it must be.
const BASE64: &str = r"^[ \t\n\f\r]*(?:(?:[A-Za-z0-9+/][ \t\n\f\r]*){4})*(?:(?:[A-Za-z0-9+/][ \t\n\f\r]*){4}|(?:[A-Za-z0-9+/][ \t\n\f\r]*){3}=[ \t\n\f\r]*|(?:[A-Za-z0-9+/][ \t\n\f\r]*){2}=[ \t\n\f\r]*=[ \t\n\f\r]*)$";

/// Why a body is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is no program in it.
    #[error("The field 'code' is missing.")]
    CodeMissing,
    /// It is not JSON. The reason has no text of the caller's in it.
    #[error("The request body is not valid JSON: {reason}.")]
    NotJson {
        /// The parser's words, with the place.
        reason: String,
    },
    /// It is JSON, but not an object.
    #[error("The request body must be a JSON object, not {found}.")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A field has a value of the wrong type.
    #[error("The field '{field}' must be {wanted}, not {found}.")]
    WrongType {
        /// Which field.
        field: String,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// More names than are read.
    #[error("The field 'return_files' has more than {RETURN_NAMES_READ_MAX} different names.")]
    TooManyNames,
}

impl<'b> ExecuteRequest<'b> {
    /// Reads a request from a body.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] with a sentence for the caller. A missing `code` is told before a wrong type.
    pub fn parse(body: &'b [u8]) -> Result<Self, Unreadable> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let text = str::from_utf8(body).map_err(|error| Unreadable::NotJson {
            reason: format!("byte {} is not UTF-8", error.valid_up_to()),
        })?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let not_json = |error: serde_json::Error| Unreadable::NotJson {
            reason: error.to_string(),
        };
        let read = Read::<Fields<'b>>::new().deserialize(&mut reader);
        let read = read.map_err(not_json)?;
        reader.end().map_err(not_json)?;
        match read {
            Given::Value(fields) => fields.check(),
            Given::Absent => Err(Unreadable::CodeMissing),
            Given::Wrong { falsy: true, .. } => Err(Unreadable::CodeMissing),
            Given::Wrong { found, .. } => Err(Unreadable::NotAnObject { found }),
        }
    }
}

/// The fields of the body, as they were given.
struct Fields<'b> {
    code: Option<Given<Cow<'b, str>>>,
    api_key: Given<Cow<'b, str>>,
    stdin_data: Given<Cow<'b, str>>,
    attachments: Given<Attachments<'b>>,
    return_files: Given<Names<'b>>,
}

impl<'b> Fields<'b> {
    fn check(self) -> Result<ExecuteRequest<'b>, Unreadable> {
        let code = match self.code {
            None => return Err(Unreadable::CodeMissing),
            Some(Given::Absent) => {
                return Err(Unreadable::WrongType {
                    field: "code".to_owned(),
                    wanted: TEXT,
                    found: "null",
                });
            }
            Some(given) => given.check("code", TEXT)?.unwrap_or_default(),
        };
        let api_key = self.api_key.check("api_key", TEXT)?;
        let stdin_data = self
            .stdin_data
            .check("stdin_data", TEXT)?
            .unwrap_or_default();
        let given = self.attachments.check("attachments", "an array")?;
        let (given, attachment_count) = given.map_or((Vec::new(), 0), |a| (a.kept, a.count));
        let mut attachments = Vec::with_capacity(given.len());
        for (index, item) in given.into_iter().enumerate() {
            let at = || format!("attachments[{index}]");
            let item = match item {
                Given::Absent => Given::Wrong {
                    found: "null",
                    falsy: true,
                },
                given => given,
            };
            let Some(item) = item.check(at(), "an object")? else {
                continue;
            };
            attachments.push(Attachment {
                filename: item.filename.check(at() + ".filename", TEXT)?,
                content_base_64: item.content.check(at() + ".content_base_64", TEXT)?,
            });
        }
        let names = self
            .return_files
            .check("return_files", "an array of strings")?;
        let names = names.unwrap_or_default();
        if let Some((index, found)) = names.wrong {
            return Err(Unreadable::WrongType {
                field: format!("return_files[{index}]"),
                wanted: TEXT,
                found,
            });
        }
        if names.too_many {
            return Err(Unreadable::TooManyNames);
        }
        Ok(ExecuteRequest {
            code,
            api_key,
            stdin_data,
            attachments,
            attachment_count,
            return_files: names.kept,
        })
    }
}

/// Attachments as they were given.
struct Attachments<'b> {
    kept: Vec<Given<GivenAttachment<'b>>>,
    count: usize,
}

struct GivenAttachment<'b> {
    filename: Given<Cow<'b, str>>,
    content: Given<Cow<'b, str>>,
}

/// Names as they were given.
#[derive(Default)]
struct Names<'b> {
    kept: Vec<Cow<'b, str>>,
    too_many: bool,
    wrong: Option<(usize, &'static str)>,
}

impl<'b> Readable<'b> for Fields<'b> {
    fn from_object<A: MapAccess<'b>>(entries: &mut A) -> Result<Option<Self>, A::Error> {
        let mut fields = Self {
            code: None,
            api_key: Given::Absent,
            stdin_data: Given::Absent,
            attachments: Given::Absent,
            return_files: Given::Absent,
        };
        while let Some(key) = next_key(entries)? {
            match &*key {
                "code" => fields.code = Some(entries.next_value_seed(Read::new())?),
                "api_key" => fields.api_key = entries.next_value_seed(Read::new())?,
                "stdin_data" => fields.stdin_data = entries.next_value_seed(Read::new())?,
                "attachments" => fields.attachments = entries.next_value_seed(Read::new())?,
                "return_files" => fields.return_files = entries.next_value_seed(Read::new())?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(fields))
    }
}

impl<'b> Readable<'b> for Attachments<'b> {
    fn from_array<A: SeqAccess<'b>>(items: &mut A) -> Result<Option<Self>, A::Error> {
        let mut list = Self {
            kept: Vec::new(),
            count: 0,
        };
        loop {
            if list.kept.len() < ATTACHMENTS_KEPT_MAX {
                let Some(item) = items.next_element_seed(Read::new())? else {
                    break;
                };
                list.kept.push(item);
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
            list.count += 1;
        }
        Ok(Some(list))
    }
}

impl<'b> Readable<'b> for GivenAttachment<'b> {
    fn from_object<A: MapAccess<'b>>(entries: &mut A) -> Result<Option<Self>, A::Error> {
        let mut item = Self {
            filename: Given::Absent,
            content: Given::Absent,
        };
        while let Some(key) = next_key(entries)? {
            match &*key {
                "filename" => item.filename = entries.next_value_seed(Read::new())?,
                "content_base_64" => item.content = entries.next_value_seed(Read::new())?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(item))
    }
}

impl<'b> Readable<'b> for Names<'b> {
    fn from_array<A: SeqAccess<'b>>(items: &mut A) -> Result<Option<Self>, A::Error> {
        let mut names = Self::default();
        let mut seen = HashSet::new();
        let mut index = 0;
        while let Some(item) = items.next_element_seed(Read::<Cow<'b, str>>::new())? {
            match item {
                Given::Value(name) if !seen.contains(&name) => {
                    if names.kept.len() < RETURN_NAMES_READ_MAX {
                        seen.insert(name.clone());
                        names.kept.push(name);
                    } else {
                        names.too_many = true;
                    }
                }
                Given::Value(_) => {}
                Given::Absent => names.wrong = names.wrong.or(Some((index, "null"))),
                Given::Wrong { found, .. } => names.wrong = names.wrong.or(Some((index, found))),
            }
            index += 1;
        }
        Ok(Some(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(body: &str) -> String {
        ExecuteRequest::parse(body.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_field_is_read() {
        let body = br#"{"code": "print(1)", "api_key": "k", "stdin_data": "in", "more": {"a": []},
            "attachments": [{"filename": "a.txt", "content_base_64": "aGk=", "x": 1}],
            "return_files": ["r", "s", "r"]}"#;
        assert_eq!(
            ExecuteRequest::parse(body).unwrap(),
            ExecuteRequest {
                code: "print(1)".into(),
                api_key: Some("k".into()),
                stdin_data: "in".into(),
                attachments: vec![Attachment {
                    filename: Some("a.txt".into()),
                    content_base_64: Some("aGk=".into()),
                }],
                attachment_count: 1,
                return_files: vec!["r".into(), "s".into()],
            }
        );
    }

    #[test]
    fn null_is_absent_and_a_byte_order_mark_is_skipped() {
        let body = b"\xef\xbb\xbf{\"code\": \"\", \"api_key\": null, \"stdin_data\": null,
            \"attachments\": null, \"return_files\": null}";
        let request = ExecuteRequest::parse(body).unwrap();
        assert_eq!((&*request.code, &*request.stdin_data), ("", ""));
        assert_eq!((request.api_key, request.attachment_count), (None, 0));
    }

    #[test]
    fn the_later_of_two_equal_keys_wins() {
        let request = ExecuteRequest::parse(br#"{"code": 5, "code": "a", "code": "b"}"#).unwrap();
        assert_eq!(request.code, "b");
    }

    #[test]
    fn a_body_without_code_is_told_so_even_if_other_fields_are_wrong() {
        for body in [
            "{}",
            "[]",
            "null",
            "\"\"",
            "0",
            "false",
            r#"{"stdin_data": 5}"#,
        ] {
            let read = ExecuteRequest::parse(body.as_bytes());
            assert_eq!(read, Err(Unreadable::CodeMissing), "{body}");
        }
    }

    #[test]
    fn a_wrong_type_names_the_field_and_what_was_found() {
        for (body, message) in [
            (
                r#"{"code": null}"#,
                "The field 'code' must be a string, not null.",
            ),
            (
                r#"{"code": [1]}"#,
                "The field 'code' must be a string, not an array.",
            ),
            (
                r#"{"code": "", "stdin_data": 7}"#,
                "The field 'stdin_data' must be a string, not a number.",
            ),
            (
                r#"{"code": "", "attachments": "a"}"#,
                "The field 'attachments' must be an array, not a string.",
            ),
            (
                r#"{"code": "", "attachments": [null]}"#,
                "The field 'attachments[0]' must be an object, not null.",
            ),
            (
                r#"{"code": "", "attachments": [{}, {"filename": true}]}"#,
                "The field 'attachments[1].filename' must be a string, not a boolean.",
            ),
            (
                r#"{"code": "", "return_files": ["a", {}]}"#,
                "The field 'return_files[1]' must be a string, not an object.",
            ),
            (
                r#"["code"]"#,
                "The request body must be a JSON object, not an array.",
            ),
            (
                "\"code\"",
                "The request body must be a JSON object, not a string.",
            ),
        ] {
            assert_eq!(wrong(body), message);
        }
    }

    #[test]
    fn what_is_not_json_is_told_so() {
        for body in [
            "",
            "{",
            "{'code': 'a'}",
            r#"{"code": print}"#,
            r#"{"code": "a"} x"#,
            r#"{"code": "\ud800"}"#,
            r#"{"code": "\udc00 "}"#,
            r#"{"code": NaN}"#,
            "{\"code\": \"\n\"}",
        ] {
            let message = wrong(body);
            assert!(
                message.starts_with("The request body is not valid JSON: "),
                "{body}: {message}"
            );
        }
        let latin = ExecuteRequest::parse(b"{\"x\": \"\xff\", \"code\": \"\"}").unwrap_err();
        assert_eq!(
            latin.to_string(),
            "The request body is not valid JSON: byte 7 is not UTF-8."
        );
    }

    #[test]
    fn depth_costs_nothing_but_its_bytes() {
        let deep = format!("{}{}", "[".repeat(2_000_000), "]".repeat(2_000_000));
        let request = format!(r#"{{"x": {deep}, "code": "a"}}"#);
        assert_eq!(ExecuteRequest::parse(request.as_bytes()).unwrap().code, "a");
        for field in ["code", "attachments", "return_files", "api_key"] {
            let request = format!(r#"{{"code": "a", "{field}": {deep}}}"#);
            assert!(
                matches!(
                    ExecuteRequest::parse(request.as_bytes()),
                    Err(Unreadable::WrongType { .. })
                ),
                "{field}"
            );
        }
        let objects = format!("{}1{}", "{\"a\":".repeat(500_000), "}".repeat(500_000));
        ExecuteRequest::parse(objects.as_bytes()).unwrap_err();
        ExecuteRequest::parse("[".repeat(1_000_000).as_bytes()).unwrap_err();
    }

    #[test]
    fn a_flood_of_items_is_counted_and_not_kept() {
        let body = format!(
            r#"{{"code": "a", "attachments": [{}{{}}]}}"#,
            "{},".repeat(99_999)
        );
        let request = ExecuteRequest::parse(body.as_bytes()).unwrap();
        assert_eq!(request.attachment_count, 100_000);
        assert_eq!(request.attachments.len(), ATTACHMENTS_KEPT_MAX);

        let names: Vec<String> = (0..=RETURN_NAMES_READ_MAX)
            .map(|n| format!("\"{n}\""))
            .collect();
        let body = format!(r#"{{"code": "a", "return_files": [{}]}}"#, names.join(","));
        let read = ExecuteRequest::parse(body.as_bytes());
        assert_eq!(read, Err(Unreadable::TooManyNames));
    }

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let body = br#"{"code": "plain", "stdin_data": "line\n"}"#;
        let request = ExecuteRequest::parse(body).unwrap();
        assert!(matches!(request.code, Cow::Borrowed("plain")));
        assert_eq!(request.stdin_data, "line\n");
    }
}
