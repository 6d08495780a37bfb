//! May this program run at all? What passes here becomes a [`Job`], and nothing else does.
//!
//! First the files ([`files`]), then the length, then the imports ([`imports`]): the order in which
//! callers of the original see the errors.

mod files;
mod imports;

use std::collections::HashSet;

use api::ExecuteRequest;
use sandbox::{CollectLimits, Imports, Job, Kind};

use crate::admission::Caller;
use crate::config::{Config, RoleLimits};
use crate::refusal::Refusal;

use files::FileLimits;
pub(crate) use files::Files;
pub use files::name_in_workspace;
use imports::Scanner;

/// The top-level names that a program imports, as a Python of this version would: each once, in
/// order. For whoever wants to know without running anything, as the fuzz targets do.
///
/// # Errors
///
/// What a caller hears of a program that does not parse.
pub fn imports_of(code: &str, python: (u8, u8)) -> Result<Vec<String>, String> {
    let names = Scanner::new(python).scan(code);
    names.map_err(|refusal| refusal.to_string())
}

/// Imported like a module, it is syntax: what a program says of the Python it is written in.
const SYNTAX: &str = "__future__";

/// The rules for programs.
#[derive(Debug)]
pub(crate) struct Policy {
    public: RoleLimits,
    admin: RoleLimits,
    files: FileLimits,
    imports_allowed: HashSet<String>,
    scanner: Scanner,
    kinds: Vec<Kind>,
    output_bytes_max: usize,
    collect: CollectLimits,
}

impl Policy {
    /// The rules as they are configured, for a Python of this version and units of these kinds.
    pub(crate) fn new(config: &Config, python: (u8, u8), kinds: Vec<Kind>) -> Self {
        Self {
            public: config.public,
            admin: config.admin,
            files: FileLimits {
                count_max: config.attachments_max,
                bytes_max: config.attachment_bytes_max,
            },
            imports_allowed: config.imports_allowed.iter().cloned().collect(),
            scanner: Scanner::new(python),
            kinds,
            output_bytes_max: config.output_bytes_max,
            collect: config.collect,
        }
    }

    /// What a role may use.
    pub(crate) const fn limits(&self, caller: Caller) -> &RoleLimits {
        match caller {
            Caller::Admin => &self.admin,
            Caller::Public(_) => &self.public,
        }
    }

    /// Unpacks the attachments.
    pub(crate) fn unpack(&self, request: &ExecuteRequest<'_>) -> Result<Files, Refusal> {
        self.files.unpack(request)
    }

    /// Checks the program and makes the job of it.
    pub(crate) fn check(
        &self,
        caller: Caller,
        request: ExecuteRequest<'_>,
        files: Files,
    ) -> Result<Job, Refusal> {
        let limits = self.limits(caller);
        let characters = request.code.chars().count();
        if characters > limits.code_characters_max {
            return Err(Refusal::CodeTooLong {
                characters,
                max: limits.code_characters_max,
            });
        }
        let scanned = self.scanner.scan(&request.code);
        let (imports, names) = match caller {
            // An admin's program is scanned only to know which kind of unit holds what it imports.
            Caller::Admin => (Imports::Any, scanned.unwrap_or_default()),
            Caller::Public(_) => (Imports::Listed, scanned?),
        };
        if imports == Imports::Listed {
            self.refuse_unlisted(&names)?;
        }
        let return_files = request.return_files.into_iter();
        Ok(Job {
            kind: self.kind_for(&names),
            code: request.code.into_owned(),
            stdin: request.stdin_data.into_owned().into_bytes(),
            files: files.inputs,
            return_files: return_files.map(Into::into).collect(),
            imports,
            wall_max: limits.wall_max,
            output_bytes_max: self.output_bytes_max,
            collect: self.collect,
        })
    }

    fn refuse_unlisted(&self, names: &[String]) -> Result<(), Refusal> {
        let unlisted =
            |name: &&String| *name != SYNTAX && !self.imports_allowed.contains(name.as_str());
        let names: Vec<String> = names.iter().filter(unlisted).cloned().collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(Refusal::ForbiddenImports { names })
        }
    }

    /// The smallest kind that has what is imported, of those there are.
    fn kind_for(&self, names: &[String]) -> Kind {
        let kind = Kind::for_imports(|module| names.iter().any(|name| name == module));
        let fits = |there: &&Kind| **there >= kind;
        self.kinds
            .iter()
            .filter(fits)
            .min()
            .copied()
            .unwrap_or(Kind::Core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const PUBLIC: Caller = Caller::Public(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn policy(kinds: &[Kind]) -> Policy {
        let home = [("HOME".into(), "/h".into())];
        let config = config::load(None, &config::Flags::new(), home).unwrap();
        Policy::new(&config, (3, 11), kinds.to_vec())
    }

    fn check(caller: Caller, code: &str) -> Result<Job, Refusal> {
        let body = serde_json::json!({"code": code, "return_files": ["a"]}).to_string();
        let request = ExecuteRequest::parse(body.as_bytes()).unwrap();
        let policy = policy(&Kind::ALL);
        let files = policy.unpack(&request).unwrap();
        policy.check(caller, request, files)
    }

    #[test]
    fn length_is_counted_in_code_points_and_2000_pass() {
        check(PUBLIC, &format!("#{}", "🐍".repeat(1999))).unwrap();
        for caller in [PUBLIC, Caller::Admin] {
            assert_eq!(
                check(caller, &"é".repeat(2001)).unwrap_err(),
                Refusal::CodeTooLong {
                    characters: 2001,
                    max: 2000
                }
            );
        }
    }

    #[test]
    fn length_comes_before_syntax_and_imports() {
        let long = format!("import os, (\n#{}", "x".repeat(2000));
        assert!(matches!(
            check(PUBLIC, &long),
            Err(Refusal::CodeTooLong { .. })
        ));
    }

    #[test]
    fn the_public_may_import_what_is_listed_with_submodules() {
        let job = check(
            PUBLIC,
            "import math, collections.abc\nfrom sys import stdin",
        )
        .unwrap();
        assert_eq!((job.imports, job.kind), (Imports::Listed, Kind::Core));
        assert_eq!(
            check(
                PUBLIC,
                "import math, os, os.path\nfrom subprocess import run"
            )
            .unwrap_err(),
            Refusal::ForbiddenImports {
                names: vec!["os".to_owned(), "subprocess".to_owned()]
            }
        );
    }

    #[test]
    fn an_admin_may_import_anything_and_need_not_even_parse() {
        assert_eq!(
            check(Caller::Admin, "import os, numpy").unwrap().imports,
            Imports::Any
        );
        assert_eq!(check(Caller::Admin, "print((").unwrap().kind, Kind::Core);
    }

    #[test]
    fn the_smallest_kind_that_holds_the_imports_is_chosen() {
        let kind = |code: &str| check(PUBLIC, code).unwrap().kind;
        assert_eq!(kind("import numpy as np"), Kind::Numpy);
        assert_eq!(
            kind("def f():\n  from PIL import Image\nimport numpy"),
            Kind::Full
        );
        assert_eq!(kind("import reportlab.pdfgen"), Kind::Full);
        let names = ["numpy".to_owned()];
        assert_eq!(
            policy(&[Kind::Core, Kind::Full]).kind_for(&names),
            Kind::Full
        );
        assert_eq!(policy(&[Kind::Core]).kind_for(&names), Kind::Core);
    }
}
