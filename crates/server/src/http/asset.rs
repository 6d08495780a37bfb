//! Files that are embedded as they are: sent packed to who takes that, and not at all to who has them.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

/// A file is asked for again each time, and sent again only after it has changed.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// One file, and the same packed with gzip.
#[derive(Debug)]
pub(super) struct Asset {
    kind: HeaderValue,
    plain: Form,
    packed: Form,
}

/// Bytes, and the name of just these bytes.
#[derive(Debug)]
struct Form {
    bytes: &'static [u8],
    tag: HeaderValue,
}

impl Asset {
    /// `kind` is its media type; `packed` is what gzip makes of `plain`.
    pub(super) fn new(kind: HeaderValue, plain: &'static [u8], packed: &'static [u8]) -> Self {
        Self {
            kind,
            plain: Form::of(plain),
            packed: Form::of(packed),
        }
    }

    /// What a client gets who asked with these headers.
    pub(super) fn response(&self, asked: &HeaderMap) -> Response {
        let packed = takes_gzip(asked);
        let form = if packed { &self.packed } else { &self.plain };
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::ETAG, form.tag.clone());
        headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
        let vary = HeaderValue::from_static("Accept-Encoding");
        headers.insert(header::VARY, vary);
        if has(asked, &form.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        if packed {
            let gzip = HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
        }
        *response.body_mut() = Body::from(Bytes::from_static(form.bytes));
        response
    }
}

impl Form {
    fn of(bytes: &'static [u8]) -> Self {
        let digest = api::base64::encode(&Sha256::digest(bytes));
        let tag = HeaderValue::try_from(format!("\"{digest}\""));
        Self {
            bytes,
            tag: tag.expect("Base64 in quotes makes a header value"),
        }
    }
}

/// The items of a header that is a list, over all its lines.
fn items(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

/// Whether a client takes gzip: it says so, or takes anything and does not say that it takes no gzip.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let mut anything = false;
    for item in items(asked, header::ACCEPT_ENCODING) {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| {
            part.strip_prefix('q')
                .or_else(|| part.strip_prefix('Q'))?
                .strip_prefix('=')
        });
        let wanted = quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|q| q > 0.0));
        if coding.eq_ignore_ascii_case("gzip") {
            return wanted;
        }
        anything |= coding == "*" && wanted;
    }
    anything
}

/// Whether a client says that it has these bytes.
fn has(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    items(asked, header::IF_NONE_MATCH).any(|item| {
        item == "*" || item.strip_prefix("W/").unwrap_or(item).as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
impl Asset {
    pub(super) const fn plain(&self) -> &'static [u8] {
        self.plain.bytes
    }

    pub(super) const fn packed(&self) -> &'static [u8] {
        self.packed.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (line, packed) in [
            ("gzip", true),
            ("br, GZIP;q=0.5, deflate", true),
            ("*", true),
            ("deflate, *;q=0.1", true),
            ("gzip;q=0", false),
            ("*, gzip; q=0.000", false),
            ("identity", false),
            ("x-gzip-not", false),
            ("", false),
            ("*;q=0", false),
            ("gzip;q=much", false),
        ] {
            let takes = takes_gzip(&asked(header::ACCEPT_ENCODING, line));
            assert_eq!(takes, packed, "{line}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn who_has_the_bytes_is_not_sent_them_again() {
        let asset = Asset::new(HeaderValue::from_static("text/plain"), b"plain", b"packed");
        let tag = asset.plain.tag.to_str().unwrap();
        for line in [tag, "*", &format!("\"other\", W/{tag}")] {
            let response = asset.response(&asked(header::IF_NONE_MATCH, line));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{line}");
            assert_eq!(response.headers()[header::ETAG], tag);
        }
        let packed = asset.packed.tag.to_str().unwrap();
        let response = asset.response(&asked(header::IF_NONE_MATCH, packed));
        assert_eq!(response.status(), StatusCode::OK, "these are other bytes");
    }
}
