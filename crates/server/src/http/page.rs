//! The page for people: one document, with its script and style inside, allowed by their digests.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use sha2::{Digest, Sha256};

/// The document.
const DOCUMENT: &str = include_str!("page.html");

/// The page, and the policy that lets it do what it does and nothing else.
#[derive(Debug)]
pub(super) struct Page {
    policy: HeaderValue,
}

impl Page {
    pub(super) fn new() -> Self {
        let digest = |tag: &str| {
            let inside = inside(DOCUMENT, tag).unwrap_or_default();
            api::base64::encode(&Sha256::digest(inside))
        };
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            digest("script"),
            digest("style"),
        );
        Self {
            policy: HeaderValue::try_from(policy).expect("Base64 and ASCII make a header value"),
        }
    }

    pub(super) fn response(&self) -> Response {
        let mut response = Response::new(Body::from(Bytes::from_static(DOCUMENT.as_bytes())));
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, html);
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }
}

/// What stands between a tag without attributes and its end.
fn inside<'d>(document: &'d str, tag: &str) -> Option<&'d str> {
    let (_, rest) = document.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>"))
        .map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_script_and_one_style_and_nothing_inline_beside_them() {
        for tag in ["script", "style"] {
            assert_eq!(DOCUMENT.matches(&format!("<{tag}")).count(), 1);
            assert!(inside(DOCUMENT, tag).is_some_and(|text| text.len() > 100));
        }
        for forbidden in ["innerHTML", " onclick", " style=", "http://", "eval("] {
            assert!(!DOCUMENT.contains(forbidden), "{forbidden}");
        }
        assert!(DOCUMENT.contains("/execute"));
    }
}
