//! The page for people: three files that `page/build` made, embedded as they are and packed.
//!
//! The page may run its own script and ask this server, and nothing else: no inline script or style, no
//! other host, no frame around it, and no text that becomes markup (trusted types, of which there are
//! none).

use axum::response::Response;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::asset::Asset;

/// What the page may do. Pictures that a program made are at `blob:`, SVG at `data:`, where it is nobody's.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// The files of the page.
#[derive(Debug)]
pub(super) struct Page {
    document: Asset,
    style: Asset,
    script: Asset,
}

macro_rules! asset {
    ($kind:literal, $name:literal) => {
        Asset::new(
            HeaderValue::from_static($kind),
            include_bytes!(concat!("page/", $name)),
            include_bytes!(concat!("page/", $name, ".gz")),
        )
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io::Read as _;
    use std::path::Path;

    use sha2::{Digest, Sha256};

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
            let text = str::from_utf8(made.plain()).unwrap();
            let first = text.lines().next().unwrap();
            assert!(
                first.ends_with(&format!("SHA-256 {digest}")),
                "the sources have changed: run page/build"
            );
        }
        let source = include_bytes!("../../../../page/src/index.html");
        assert_eq!(page.document.plain(), source, "run page/build");
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
            let mut reader = flate2::read::GzDecoder::new(asset.packed());
            reader.read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, asset.plain(), "run page/build");
            sum += asset.packed().len();
        }
        assert!(sum <= FIRST_LOAD_BYTES_MAX, "{sum}");
    }

    #[test]
    fn the_licenses_of_what_is_in_the_script_are_in_it() {
        let page = Page::new();
        let text = str::from_utf8(page.script.plain()).unwrap();
        let head = text.split_once("*/").unwrap().0;
        for part in ["@codemirror/view ", "@lezer/python ", "Marijn Haverbeke"] {
            assert!(head.contains(part), "{part}");
        }
        assert!(head.contains("THE SOFTWARE IS PROVIDED"));
    }

    #[test]
    fn nothing_of_the_page_is_inline_or_elsewhere() {
        let page = Page::new();
        let text = str::from_utf8(page.document.plain()).unwrap();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert_eq!(text.matches("<script").count(), 1);
        for forbidden in ["<style", " style=", " onclick", "http:", "https:", "=\"//"] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
    }
}
