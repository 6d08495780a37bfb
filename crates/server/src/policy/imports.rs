//! What a program imports: read off its syntax tree, without running it.
//!
//! A courtesy to callers, who hear at once what they may not import; a guard inside the run holds
//! where names are computed, and the walls hold in any case.

use ruff_python_ast::statement_visitor::{StatementVisitor, walk_stmt};
use ruff_python_ast::{Mod, PythonVersion, Stmt};
use ruff_python_parser::{
    LexicalErrorType, Mode, ParseError, ParseErrorType, ParseOptions, parse_unchecked,
};

use crate::refusal::Refusal;

/// Stack for walking and dropping the tree of a program. Bytes for each byte of it: the worst program
/// found (see the tests) needs between 16 and 256 in a debug build. The parser sees to its own.
const STACK_BYTES_PER_BYTE: usize = 1024;

/// Stack for everything that does not grow with the program. Bytes.
const STACK_BYTES_BASE: usize = 256 * 1024;

/// Reads imports as one version of Python would.
#[derive(Debug)]
pub(super) struct Scanner {
    version: PythonVersion,
}

impl Scanner {
    pub(super) const fn new((major, minor): (u8, u8)) -> Self {
        Self {
            version: PythonVersion { major, minor },
        }
    }

    /// The top-level names that a program imports, each once, in order; of a relative import, which
    /// Python refuses a program, the name that follows its dots.
    pub(super) fn scan(&self, code: &str) -> Result<Vec<String>, Refusal> {
        // What CPython refuses and the parser takes.
        if code.contains('\0') {
            return Err(unparsable(
                "source code string cannot contain null bytes",
                code,
                0,
            ));
        }
        if code.starts_with('\u{feff}') {
            return Err(unparsable(
                "invalid non-printable character U+FEFF",
                code,
                0,
            ));
        }
        // A tree can be as deep as its program is long, and even dropping it takes a frame a level.
        let stack_bytes = STACK_BYTES_BASE + code.len() * STACK_BYTES_PER_BYTE;
        stacker::maybe_grow(stack_bytes, stack_bytes, || self.scan_here(code))
    }

    fn scan_here(&self, code: &str) -> Result<Vec<String>, Refusal> {
        let options = ParseOptions::from(Mode::Module).with_target_version(self.version);
        let parsed = parse_unchecked(code, options);
        let mut errors = parsed.errors().iter();
        if let Some(error) = errors.find(|error| !is_none(error, code)) {
            return Err(unparsable(
                &words(&error.error),
                code,
                error.location.start().to_usize(),
            ));
        }
        if let Some(error) = parsed.unsupported_syntax_errors().first() {
            return Err(unparsable(
                &error.to_string(),
                code,
                error.range.start().to_usize(),
            ));
        }
        let mut found = Found::default();
        if let Mod::Module(module) = parsed.syntax() {
            found.visit_body(&module.body);
        }
        Ok(found.names)
    }
}

/// Whether an error of the parser's is none of CPython's. It has then read on as CPython does.
fn is_none(error: &ParseError, code: &str) -> bool {
    let Some((before, here)) = code.split_at_checked(error.location.start().to_usize()) else {
        return false;
    };
    match error.error {
        // `a = 1; match = 2`: it takes the name for the statement.
        ParseErrorType::SimpleAndCompoundStatementOnSameLine => here.starts_with("match"),
        // `raise;`
        ParseErrorType::ExpectedExpression => {
            here.starts_with(';')
                && before
                    .trim_end_matches([' ', '\t', '\x0c'])
                    .ends_with("raise")
        }
        _ => false,
    }
}

/// What an error of the parser's says to a person.
fn words(error: &ParseErrorType) -> String {
    match error {
        // `0x`: it hands on how Rust prints its own error.
        ParseErrorType::Lexical(LexicalErrorType::OtherError(said)) if said.contains('{') => {
            "invalid number: its digits are missing".to_owned()
        }
        _ => error.to_string(),
    }
}

fn unparsable(message: &str, code: &str, at: usize) -> Refusal {
    let before = code.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    Refusal::Unparsable {
        message: format!("{message} (your_script.py, line {line})"),
    }
}

#[derive(Default)]
struct Found {
    names: Vec<String>,
}

impl Found {
    fn add(&mut self, name: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }
}

impl<'tree> StatementVisitor<'tree> for Found {
    fn visit_stmt(&mut self, statement: &'tree Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.add(top_level(&alias.name));
                }
            }
            Stmt::ImportFrom(import) => {
                // `from . import x` names no module; Python refuses it, for want of a package.
                if let Some(module) = &import.module {
                    self.add(top_level(module));
                }
            }
            _ => walk_stmt(self, statement),
        }
    }
}

fn top_level(module: &str) -> &str {
    module.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(code: &str) -> Result<Vec<String>, Refusal> {
        Scanner::new((3, 11)).scan(code)
    }

    fn message(code: &str) -> String {
        match scan(code) {
            Err(Refusal::Unparsable { message }) => message,
            other => panic!("{code}: {other:?}"),
        }
    }

    #[test]
    fn imports_are_found_in_every_nesting() {
        let code = "
import a.b, c as d
from e.f import g
try:
    import h
except ImportError:
    import i
else:
    import j
finally:
    import k
with open('x') as f:
    import l
for x in y:
    import m
else:
    import n
while x:
    import o
class C:
    def f(self):
        async def g():
            async with x:
                import p
match x:
    case 1:
        import q
if x:
    pass
elif y:
    import r
else:
    import s
if x: import t; import a
";
        let found = scan(code).unwrap().join(" ");
        assert_eq!(found, "a c e h i j k l m n o p q r s t");
    }

    #[test]
    fn relative_imports_are_named_by_what_follows_the_dots() {
        assert_eq!(
            scan("from . import a\nfrom .. import b\nfrom ...x.y import c").unwrap(),
            ["x"]
        );
    }

    #[test]
    fn names_in_strings_and_comments_are_not_imports() {
        assert_eq!(
            scan("# import os\ns = 'import os'\nimportos = 1").unwrap(),
            [""; 0]
        );
    }

    #[test]
    fn names_are_normalised_as_python_does() {
        assert_eq!(scan("import ｏｓ").unwrap(), ["os"]);
    }

    #[test]
    fn what_does_not_parse_is_told_with_its_line() {
        assert!(message("x = 1\nprint((1)").ends_with("(your_script.py, line 2)"));
        for code in ["0x", "0b", "0o"] {
            let said = message(code);
            assert!(said.starts_with("invalid number: "), "{said}");
        }
        for code in [
            "if True:\nprint(1)",
            "print 'hello'",
            "if True:\n\tx = 1\n        y = 2",
            "\u{feff}print(1)",
            "print(1)\0",
            "def f(:\n  pass",
            "'unclosed",
            "x = 0777",
            "print(1",
            "import",
            "from . import",
        ] {
            message(code);
        }
    }

    #[test]
    fn syntax_of_a_later_python_does_not_parse() {
        scan("match x:\n  case 1: pass").unwrap();
        assert!(message("type X = int").contains("3.12"));
        message("x = f'{'a'}'");
    }

    #[test]
    fn what_only_the_parser_takes_for_errors_is_none() {
        for code in [
            "import a; match = b.c()\nimport d",
            "import a; match(b)\nimport d",
            "if x: import a; match = 1\nimport d",
            "try: import a\nexcept: raise;\nimport d",
            "import a\nif x: raise ;import d",
        ] {
            assert_eq!(scan(code).unwrap(), ["a", "d"], "{code}");
        }
        for code in ["x = 1; if y: pass", "x = ;", "raise from;", "match = ;"] {
            message(code);
        }
        // CPython refuses it, and nothing in it is missed.
        assert_eq!(scan("a; match b:\n case c: import d").unwrap(), ["d"]);
    }

    #[test]
    fn no_program_overflows_the_stack() {
        let nested = |open: &str, close: &str, levels: usize| {
            format!("x = {}1{}", open.repeat(levels), close.repeat(levels))
        };
        for levels in [500, 1900, 20_000] {
            for (open, close) in [
                ("(", ")"),
                ("[", "]"),
                ("{", "}"),
                ("{1:", "}"),
                ("-", ""),
                ("not ", ""),
                ("lambda:", ""),
                ("1**", ""),
                ("1+", ""),
                ("1<", ""),
                ("1 if 1 else ", ""),
                ("f(", ")"),
                ("a[", "]"),
                ("await ", ""),
                ("*", ""),
                ("f'{", "}'"),
                ("x:=", ""),
                ("(yield ", ")"),
                ("1 and ", ""),
                ("[x for x in ", "]"),
                ("a.", ""),
                ("(", ""),
                ("[", ""),
                ("{", ""),
                ("f'{", ""),
                ("~-", ""),
                ("x=", ""),
                ("", "()"),
                ("", "[0]"),
                ("(lambda x=", ":1)"),
                ("1if ", " else 1"),
            ] {
                // Nested f-strings take the parser time that grows with the square of their depth.
                let levels = if open == "f'{" {
                    levels.min(500)
                } else {
                    levels
                };
                drop(scan(&nested(open, close, levels)));
            }
        }
        let indented: String = (0..150)
            .map(|n| format!("{}if 1:\n", " ".repeat(n)))
            .collect();
        drop(scan(&indented));
        drop(scan(&"if 1:".repeat(5000)));
        drop(scan(&format!(
            "match x:\n case {}y{}: pass",
            "(".repeat(5000),
            ")".repeat(5000)
        )));
        drop(scan(&format!(
            "def f(x: {}1{}): pass",
            "[".repeat(5000),
            "]".repeat(5000)
        )));
        drop(scan(&"@".repeat(5000)));
        drop(scan(&"\\\n".repeat(5000)));
        drop(scan(&format!("{}x", "if x:\n  pass\nel".repeat(5000))));
    }
}
