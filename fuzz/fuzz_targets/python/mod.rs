//! Changes to programs that often leave programs: statements, wrappings and oddities of the grammar.

/// Chooses; the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u32) -> Self {
        Self(u64::from(seed) << 1 | 1)
    }

    pub fn of(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.of(list.len())]
    }
}

/// One to three changes.
pub fn mutate(program: &str, dice: &mut Dice) -> String {
    let mut program = program.to_owned();
    for _ in 0..=dice.of(3) {
        program = match dice.of(13) {
            0..=1 => insert_statement(&program, dice),
            2..=3 => wrap(&program, dice),
            4 => replace_word(&program, dice),
            5 => insert_oddity(&program, dice),
            6 => remove(&program, dice),
            7 => move_line(&program, dice),
            8 => change_line_ends(&program, dice),
            9..=10 => insert_string(&program, dice),
            11 => double_line(&program, dice),
            _ => {
                let mut fresh = String::new();
                for _ in 0..=dice.of(3) {
                    statement(&mut fresh, "", 3, dice);
                }
                fresh
            }
        };
    }
    program
}

#[rustfmt::skip]
const ODDITIES: &[&str] = &[
    "\\\n", "\\\r\n", "\\\r", "\r", "\r\n", "\n", "\x0c", "\x0b", "\t", " ", "\u{a0}", "\u{feff}",
    "\u{2028}", "\u{85}", "\u{1c}", "\0", "\x1a", "\x7f", "\u{200b}", "\u{3000}", ";", "#", "#\r",
    "'", "\"", "'''", "\"\"\"", "f'", "rb'", "f'''", "t'", "{", "}", "(", ")", "[", "]", ":", "::",
    ",", ".", "...", "->", ":=", "==", "!=", "<>", "@", "*", "**", "\\", "\\N{DASH}", "\u{301}",
    "!r", "$", "?", "!", "`", "0x", "1_0", "1if 1else 1", "0or", "# coding: utf-7\n",
    "# -*- coding: latin-1 -*-\n", "#!python\n", "if 1:\n", "\x0c  ", "\n\x0c", "\n\\\n",
];

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield", "match", "case", "type", "_", "print", "exec", "lazy", "__debug__",
    "__future__", "barry_as_FLUFL", "annotations", "except*", "import os", "x", "__import__",
    "import_", "u", "b", "f", "rf", "br", "1", "0o7", "1j", "1e5", "0_0", "...", "'a'", "f'{x}'",
];

#[rustfmt::skip]
const NAMES: &[&str] = &[
    "os", "a", "sys", "math", "subprocess", "match", "case", "type", "_", "ｏｓ", "ﬁle", "ſys", "𝐨𝐬",
    "ªb", "µ", "℘", "a·b", "e\u{301}", "\u{e9}", "ᵒs", "o\u{17f}", "名", "ⅷ", "K", "\u{212a}",
    "__future__", "lazy", "print", "ﬀ", "ℌ", "x1", "ẛ\u{323}", "\u{1d7d8}a", "ﷺ", "ͺ", "゛a",
    "\u{0e33}", "\u{ff9e}",
];

#[rustfmt::skip]
const GAPS: &[&str] = &[
    " ", " ", " ", "  ", "\t", "\x0c", " \\\n", "\\\n", "\\\r\n ", " \\\n\x0c ",
];
const NO_GAPS: &[&str] = &["", "", "", "", " ", "\t", "\\\n", "\x0c"];

/// Of what strings are made, in an order that seldom makes one: where a string ends decides what is
/// code, and each version of Python has changed its mind about it.
#[rustfmt::skip]
const STRING_PARTS: &[&str] = &[
    "f'", "f\"", "f'''", "f\"\"\"", "rf'", "fr\"\"\"", "t'", "'", "'", "\"", "'''", "\"\"\"", "{",
    "{", "}", "}", "{{", "}}", "x", "x", ":", "!r", "=", "\\", "\\'", "\\\n", "\n", "\r",
    "\nimport os\n", ";import os;", "#", "\\N{DASH}", "\\N{", "\\{", "lambda x:", ":=", "(", ")",
    "[", "]", "!=", "%Y", " ", "'}'", "'{'", "\"}\"", "b'", "u'", "if x", ",", "*",
];

fn string(dice: &mut Dice) -> String {
    (0..3 + dice.of(14))
        .map(|_| dice.pick(STRING_PARTS))
        .collect()
}

fn name(dice: &mut Dice) -> String {
    let mut name = dice.pick(NAMES).to_owned();
    while dice.of(4) == 0 {
        name += dice.pick(NO_GAPS);
        name += ".";
        name += dice.pick(NO_GAPS);
        name += dice.pick(NAMES);
    }
    name
}

fn import(dice: &mut Dice) -> String {
    let gap = dice.pick(GAPS);
    let mut text = String::new();
    if dice.of(2) == 0 {
        text += &format!("import{gap}{}", name(dice));
        while dice.of(3) == 0 {
            text += dice.pick(&[",", ", ", ",\\\n"]);
            text += &name(dice);
            if dice.of(2) == 0 {
                text += &format!("{gap}as{gap}{}", dice.pick(NAMES));
            }
        }
    } else {
        text += "from";
        text += dice.pick(&[
            "", " ", " ", gap, gap, " .", " ..", "...", "....", " . .", "\\\n.",
        ]);
        text += &name(dice);
        text += &format!("{gap}import");
        text += dice.pick(&[
            "*",
            " *",
            " a",
            "(a)",
            "(a,)",
            "(a as b, c)",
            "(\n a # (\n,\nb\n)",
            " a, b as c",
            "\\\n(a)",
        ]);
    }
    text
}

#[rustfmt::skip]
const SIMPLE: &[&str] = &[
    "pass", "x = 1", "x: int = 1", "x += 1", "del x", "assert x, 'import os'", "global g", "return",
    "yield x", "raise x from y", "x = yield", "await x", "break", "continue",
    "print(f'{x!r:>{y}}')", "f'{x=}'", "f\"{'a'}\"", "f'{x:{y}}' 'b' b\"c\"", "f'''{\nx\n}'''",
    "f'{{import os}}'", "f'{x:\\n}'", "rf'\\{x}'", "f'{\"a\" + f\"{1}\"}'", "f'{f'{x}'}'",
    "f'{x # c\n}'", "f'{lambda x: 1}'", "f'{(lambda x: 1)}'", "f'{x:%H:%M}'", "f'{x!s:}'",
    "'''\nimport os\n'''", "\"\"\"a\"\"\"; x", "'a\\\nimport b'", "x = (\nyield\n)",
    "x = [\n# import os\n]", "match = 1", "match(x)", "match[x]", "match * 2", "case = type",
    "type = 1", "type(x)", "type X = int", "type X[T: int, *Ts, **P] = T", "type X[T = int] = T",
    "print(x, *y, **z)", "lambda *a, k=1, **b: (yield)", "x = lambda: (x := 1)",
    "[x for x in y if z async for a in b]", "{**a, 'b': 1}", "x[1:2, ::3, *y]", "@x\ndef f(): pass",
    "t'{x}'", "x if y else z", "not x", "x = *a, *b", "a, *b = c", "(a, b) = c", "x = 0xfor 1",
    "1if 1else 2", "x is not y", "x not in y", "a<b>c", "a @ b", "a @= b", "a //= b", "a ** -b",
    "~-+a", "...", "x = b'a' rb'b'", "\\\nx", "x\\\n.y", "x = 'a' \\\n 'b'", "nonlocal n",
    "x.import_ = 1", "print >>f", "exec 'x'", "raise;import a", "raise ;", "a; match = 1; import b",
    "a; match b", "x = 1_000.0e-1_0j", "'\\N{DASH}'", "u'a'", "x = ''", "f''", "f'{x,}'",
    "f'{*a,}'", "f'{yield}'", "f'{x:{y:{z}}}'", "f'{x!r}' f'{y}'", "f'{\\\nx}'", "f'{x\\\n}'",
    "raise", "raise x", "return *a, b", "for_ = 1", "x = (a for b in c)", "lazy import os",
    "from __future__ import annotations", "from __future__ import barry_as_FLUFL", "1 <> 2",
    "def f(): import os", "class C: import a; import b", "if 1: from a import b", "else_ = {}",
    "x = {1, 2}", "x: (yield) = 1", "assert(x, y)", "del (a), [b]", "del (a, b,)", "with_ = a",
    "print((yield))", "async_ = await_ = 1",
];

#[rustfmt::skip]
const HEADS: &[&str] = &[
    "if x:", "while x:", "for x in y:", "for x, *y in *a, b:", "with a:", "with a as b, c as d:",
    "with (a as b, c as d,):", "with (a, b):", "with (a) as b:", "def f():",
    "def f(a, /, b: int = 1, *c: x, d, **e) -> int:", "def f[T](x: T) -> T:",
    "def f[*Ts = int, **P]():", "def f(*a: *b):", "async def f():", "class C:",
    "class C(A, metaclass=B, *a, **b):", "class C[T]:", "class C():", "try:", "@d\ndef f():",
    "@(yield)\nclass C:", "@a.b(c)[d]\nasync def f():", "match x:\n case y:",
    "match x, y:\n case (1, *_) | [] if x:",
    "match x:\n case {'a': 1, **r} | C(a, b=c) | -1+2j | a.b | 'x' 'y' | None:",
    "match (x):\n\tcase _:", "match[x]:\n case[y]:", "match -x:\n case -1:",
    "match not x:\n case y:", "match {}:\n case {}:", "match *a, b:\n case *c, d:",
    "match x:\n case f'a':", "match x:\n case (a as b):", "match match:\n case case:",
    "match lambda: x:\n case y:", "match yield:\n case _:", "match x:\n\n # c\n case y:",
    "while(x):", "if(x):", "elif_ = 1\nif 1 :", "async def f():\n async with a as b:",
    "async def f():\n async for x in y:", "for x in(y):", "if x: pass\nelse:",
    "if x: pass\nelif y:", "for x in y: pass\nelse:", "while x: pass\nelse:", "try: pass\nexcept:",
    "try: pass\nexcept* E as e:", "try: pass\nexcept (A, B):", "try: pass\nexcept A, B:",
    "try: pass\nfinally:", "try: pass\nexcept: pass\nelse:", "if x: # import os", "if x:\\\n",
    "if x:\n\x0c", "if x:\n#\n\n", "class C:\n 'doc'\n def f(self):", "async for x in y:",
];

/// Appends one statement with its line end.
fn statement(text: &mut String, indent: &str, levels: usize, dice: &mut Dice) {
    if levels > 0 && dice.of(3) == 0 {
        let mut inner = indent.to_owned();
        for line in dice.pick(HEADS).split('\n') {
            text.push_str(indent);
            text.push_str(line);
            text.push('\n');
            // Of a head with several lines the body stands deeper than the last.
            let own = line.len() - line.trim_start_matches([' ', '\t', '\x0c']).len();
            inner = format!(
                "{indent}{}{}",
                &line[..own],
                dice.pick(&[" ", "  ", "    ", "\t", "\x0c "])
            );
        }
        if dice.of(5) == 0 {
            text.pop();
            text.push_str(&format!(" {}; {}\n", import(dice), dice.pick(SIMPLE)));
            return;
        }
        for _ in 0..=dice.of(2) {
            statement(text, &inner, levels - 1, dice);
        }
        if text.contains("try:") && dice.of(2) == 0 {
            text.push_str(&format!(
                "{indent}{}\n",
                dice.pick(&["except: pass", "finally: pass", "except* x: pass"])
            ));
        }
        return;
    }
    text.push_str(indent);
    loop {
        match dice.of(2) {
            0 => text.push_str(&import(dice)),
            _ => text.push_str(dice.pick(SIMPLE)),
        }
        if dice.of(5) > 0 {
            break;
        }
        text.push_str(dice.pick(&[";", "; ", " ;\\\n"]));
    }
    text.push_str(dice.pick(&[
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\r",
        ";\n",
        " # import c\n",
        "\n\n",
        "\n\x0c",
        "\n#\n",
    ]));
}

fn insert_statement(program: &str, dice: &mut Dice) -> String {
    let lines: Vec<&str> = program.split_inclusive('\n').collect();
    let at = dice.of(lines.len() + 1);
    // As deep as the line that it is put before, so that it mostly belongs there.
    let line = lines.get(at).or(lines.last()).copied().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start_matches([' ', '\t', '\x0c']).len()];
    let mut text: String = lines[..at].concat();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    statement(&mut text, indent, 2, dice);
    text + &lines[at..].concat()
}

/// Puts some lines below a head.
fn wrap(program: &str, dice: &mut Dice) -> String {
    let lines: Vec<&str> = program.split_inclusive('\n').collect();
    let from = dice.of(lines.len() + 1);
    let to = from + dice.of(lines.len() + 1 - from);
    let mut text: String = lines[..from].concat();
    let head = dice.pick(HEADS);
    text.push_str(head);
    text.push('\n');
    let indent = dice.pick(&["  ", "    ", "\t", " \t"]);
    for line in &lines[from..to] {
        text.push_str(indent);
        text.push_str(line);
    }
    if from == to {
        text.push_str(&format!("{indent}{}\n", import(dice)));
    }
    if head.starts_with("try:") && !head.contains("except") {
        text.push_str(dice.pick(&[
            "\nexcept: pass\n",
            "\nfinally: pass\n",
            "\nexcept* x:\n import a\n",
        ]));
    }
    text + &lines[to..].concat()
}

/// A place between two characters.
fn place(program: &str, dice: &mut Dice) -> usize {
    let mut at = dice.of(program.len() + 1);
    while !program.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn insert_oddity(program: &str, dice: &mut Dice) -> String {
    let (before, after) = program.split_at(place(program, dice));
    let oddity = dice.pick(ODDITIES);
    let times = if dice.of(12) == 0 {
        1 + dice.of(120)
    } else {
        1
    };
    format!("{before}{}{after}", oddity.repeat(times))
}

fn remove(program: &str, dice: &mut Dice) -> String {
    let from = place(program, dice);
    let length = program[from..].char_indices().nth(1 + dice.of(8));
    let to = length.map_or(program.len(), |(length, _)| from + length);
    format!("{}{}", &program[..from], &program[to..])
}

fn replace_word(program: &str, dice: &mut Dice) -> String {
    let start = place(program, dice);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let from = start + program[start..].find(is_word).unwrap_or(0);
    let length = program[from..].find(|c| !is_word(c));
    let to = length.map_or(program.len(), |length| from + length);
    let word = match dice.of(3) {
        0 => dice.pick(NAMES),
        1 => dice.pick(SIMPLE),
        _ => dice.pick(WORDS),
    };
    format!("{}{word}{}", &program[..from], &program[to..])
}

/// Into a statement or after all of them.
fn insert_string(program: &str, dice: &mut Dice) -> String {
    let (before, after) = program.split_at(place(program, dice));
    let string = string(dice);
    match dice.of(2) {
        0 => format!("{before}{string}{after}"),
        _ => format!("{program}\nx = {string}\n"),
    }
}

fn double_line(program: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<&str> = program.split_inclusive('\n').collect();
    if let Some(line) = lines.get(dice.of(lines.len().max(1))).copied() {
        lines.insert(dice.of(lines.len() + 1), line);
    }
    lines.concat()
}

fn move_line(program: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<&str> = program.split_inclusive('\n').collect();
    if lines.is_empty() {
        return String::new();
    }
    let line = lines.remove(dice.of(lines.len()));
    lines.insert(dice.of(lines.len() + 1), line);
    lines.concat()
}

fn change_line_ends(program: &str, dice: &mut Dice) -> String {
    match dice.of(4) {
        0 => program.replace('\n', "\r"),
        1 => program.replace("\r\n", "\n").replace('\n', "\r\n"),
        2 => program.replace('\r', "\n"),
        _ => program.replacen(
            '\n',
            dice.pick(&[";", "\\\n", "\r", "\x0c", " "]),
            1 + dice.of(3),
        ),
    }
}
