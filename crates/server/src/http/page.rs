//! The page for people: three files that `page/build` made, embedded as they are and packed.
//!
//! The page may run its own script and ask this server, and nothing else: no inline script or style, no
//! other host, no frame around it, and no text that becomes markup (trusted types, of which there are
//! none).

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

/// What the page may do. Pictures that a program made are at `blob:`, SVG at `data:`, where it is nobody's.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// A file is asked for again each time, and sent again only after it has changed.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The files of the page.
#[derive(Debug)]
pub(super) struct Page {
    document: Asset,
    style: Asset,
    script: Asset,
}

/// One file, and the same packed with gzip.
#[derive(Debug)]
struct Asset {
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

macro_rules! asset {
    ($kind:literal, $name:literal) => {
        Asset {
            kind: HeaderValue::from_static($kind),
            plain: Form::of(include_bytes!(concat!("page/", $name))),
            packed: Form::of(include_bytes!(concat!("page/", $name, ".gz"))),
        }
    };
}

impl Page {
    pub(super) fn new() -> Self {
        Self {
            document: asset!("text/html; charset=utf-8", "index.html"),
            style: asset!("text/css; charset=utf-8", "page.css"),
            script: asset!("text/javascript; charset=utf-8", "page.js"),
        }
    }

    pub(super) fn document(&self, asked: &HeaderMap) -> Response {
        let mut response = self.document.response(asked);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        response
    }

    pub(super) fn style(&self, asked: &HeaderMap) -> Response {
        self.style.response(asked)
    }

    pub(super) fn script(&self, asked: &HeaderMap) -> Response {
        self.script.response(asked)
    }
}

impl Asset {
    fn response(&self, asked: &HeaderMap) -> Response {
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
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io::Read as _;
    use std::path::Path;

    use super::*;

    /// Most bytes that a first visit takes, as they go over the wire without heads.
    const FIRST_LOAD_BYTES_MAX: usize = 300 * 1000;

    fn page_assets() -> [Asset; 3] {
        let page = Page::new();
        [page.document, page.style, page.script]
    }

    /// The digest of everything that the page is made of, as `page/build` takes it.
    fn sources_digest() -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../page");
        let mut files = BTreeMap::new();
        let mut add = |name: String| {
            let content = fs::read(folder.join(&name)).unwrap();
            files.insert(name, content);
        };
        for name in ["build", "package-lock.json", "package.json"] {
            add(name.to_owned());
        }
        for entry in fs::read_dir(folder.join("src")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            add(format!("src/{name}"));
        }
        let mut hash = Sha256::new();
        for (name, content) in files {
            hash.update(format!("{name}\0{}\0", content.len()));
            hash.update(content);
        }
        let digest = hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_page_is_what_its_sources_make() {
        let page = Page::new();
        let digest = sources_digest();
        for made in [&page.style, &page.script] {
            let text = str::from_utf8(made.plain.bytes).unwrap();
            let first = text.lines().next().unwrap();
            assert!(
                first.ends_with(&format!("SHA-256 {digest}")),
                "the sources have changed: run page/build"
            );
        }
        let source = include_bytes!("../../../../page/src/index.html");
        assert_eq!(page.document.plain.bytes, source, "run page/build");
    }

    #[test]
    fn the_page_names_the_path_that_programs_go_to() {
        let page = include_str!("page/index.html");
        assert!(page.contains("POST /execute"));
    }

    #[test]
    fn what_is_packed_is_the_same_and_small() {
        let mut sum = 0;
        for asset in page_assets() {
            let mut unpacked = Vec::new();
            let mut reader = flate2::read::GzDecoder::new(asset.packed.bytes);
            reader.read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, asset.plain.bytes, "run page/build");
            sum += asset.packed.bytes.len();
        }
        assert!(sum <= FIRST_LOAD_BYTES_MAX, "{sum}");
    }

    #[test]
    fn the_licenses_of_what_is_in_the_script_are_in_it() {
        let page = Page::new();
        let text = str::from_utf8(page.script.plain.bytes).unwrap();
        let head = text.split_once("*/").unwrap().0;
        for part in ["@codemirror/view ", "@lezer/python ", "Marijn Haverbeke"] {
            assert!(head.contains(part), "{part}");
        }
        assert!(head.contains("THE SOFTWARE IS PROVIDED"));
    }

    #[test]
    fn nothing_of_the_page_is_inline_or_elsewhere() {
        let page = Page::new();
        let text = str::from_utf8(page.document.plain.bytes).unwrap();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert_eq!(text.matches("<script").count(), 1);
        for forbidden in ["<style", " style=", " onclick", "http:", "https:", "=\"//"] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
    }

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
        let page = Page::new();
        let tag = page.script.plain.tag.to_str().unwrap();
        for line in [tag, "*", &format!("\"other\", W/{tag}")] {
            let response = page.script(&asked(header::IF_NONE_MATCH, line));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{line}");
            assert_eq!(response.headers()[header::ETAG], tag);
        }
        let packed = page.script.packed.tag.to_str().unwrap();
        let response = page.script(&asked(header::IF_NONE_MATCH, packed));
        assert_eq!(response.status(), StatusCode::OK, "these are other bytes");
    }
}
