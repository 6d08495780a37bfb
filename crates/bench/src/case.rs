//! The programs that are measured, and what must come of each.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

/// A program with its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// `print(1)`: all that is measured is ours.
    Hello,
    /// Imports numpy and computes a little.
    Numpy,
    /// The example of the API's document: a picture in, its gray version out.
    Pillow,
    /// Makes a PDF of one page.
    Fpdf,
    /// Imports Pillow and prints: what a unit with every package costs, without work of its own.
    Full,
    /// Two files of 8 MiB in, the same two out.
    Files,
    /// One second of processor time.
    Cpu,
    /// Sleeps for 100 ms: holds a slot and no processor.
    Nap,
}

/// Bytes of each of the two files of [`Case::Files`]: the largest that the contract allows.
const FILE_BYTES: usize = 8 << 20;

impl Case {
    /// Every case of a whole run, the lightest first.
    pub const ALL: [Self; 7] = [
        Self::Hello,
        Self::Numpy,
        Self::Full,
        Self::Pillow,
        Self::Fpdf,
        Self::Files,
        Self::Cpu,
    ];

    /// Its name on the command line and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Numpy => "numpy",
            Self::Pillow => "pillow",
            Self::Fpdf => "fpdf",
            Self::Full => "full",
            Self::Files => "files",
            Self::Cpu => "cpu",
            Self::Nap => "nap",
        }
    }

    /// The program.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Hello => "print(1)",
            Self::Numpy => {
                "import numpy as np\n\
                 a = np.arange(12.0).reshape(3, 4)\n\
                 print(int((a @ a.T).sum()))\n"
            }
            Self::Pillow => {
                "from PIL import Image\n\
                 try:\n    \
                     with Image.open('input_photo.jpg') as img:\n        \
                         grayscale_img = img.convert('L')\n        \
                         grayscale_img.save('output_grayscale.png')\n        \
                         print(\"Image successfully converted to grayscale.\")\n\
                 except Exception as e:\n    \
                     print(f\"An unexpected error occurred: {e}\")\n"
            }
            Self::Fpdf => {
                "from fpdf import FPDF\n\
                 pdf = FPDF()\n\
                 pdf.add_page()\n\
                 pdf.set_font('Helvetica', size=12)\n\
                 pdf.cell(0, 10, 'Hello fpdf')\n\
                 pdf.output('hello.pdf')\n\
                 print('made')\n"
            }
            Self::Full => "from PIL import Image\nprint(1)\n",
            Self::Files => {
                "for a, b in (('a.bin', 'c.bin'), ('b.bin', 'd.bin')):\n    \
                     with open(a, 'rb') as source, open(b, 'wb') as target:\n        \
                         target.write(source.read())\n\
                 print('copied')\n"
            }
            Self::Cpu => {
                "import time\n\
                 start = time.process_time()\n\
                 while time.process_time() < start + 1:\n    \
                     sum(range(1000))\n\
                 print('done')\n"
            }
            Self::Nap => "import time\ntime.sleep(0.1)\nprint('woke')\n",
        }
    }

    /// What it prints.
    pub(crate) const fn stdout(self) -> &'static str {
        match self {
            Self::Hello | Self::Full => "1\n",
            Self::Numpy => "1134\n",
            Self::Pillow => "Image successfully converted to grayscale.\n",
            Self::Fpdf => "made\n",
            Self::Files => "copied\n",
            Self::Cpu => "done\n",
            Self::Nap => "woke\n",
        }
    }

    /// The files that come with it.
    pub(crate) fn attachments(self) -> Vec<(&'static str, Vec<u8>)> {
        match self {
            Self::Pillow => vec![("input_photo.jpg", picture(320, 240))],
            Self::Files => vec![("a.bin", noise(1)), ("b.bin", noise(2))],
            Self::Hello | Self::Numpy | Self::Fpdf | Self::Full | Self::Cpu | Self::Nap => {
                Vec::new()
            }
        }
    }

    /// The files asked for, each with how it must begin.
    pub(crate) fn returned(self) -> Vec<(&'static str, Vec<u8>)> {
        match self {
            Self::Pillow => vec![("output_grayscale.png", b"\x89PNG".to_vec())],
            Self::Fpdf => vec![("hello.pdf", b"%PDF-".to_vec())],
            Self::Files => vec![("c.bin", noise(1)), ("d.bin", noise(2))],
            Self::Hello | Self::Numpy | Self::Full | Self::Cpu | Self::Nap => Vec::new(),
        }
    }

    /// Which modules it finds imported in hognose; the floor must find the same.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Hello | Self::Files | Self::Cpu | Self::Nap => "core",
            Self::Numpy => "numpy",
            Self::Pillow | Self::Fpdf | Self::Full => "full",
        }
    }

    /// The body of the request.
    pub(crate) fn body(self, key: Option<&str>) -> Vec<u8> {
        let attachments: Vec<_> = self
            .attachments()
            .iter()
            .map(|(name, bytes)| {
                json!({"filename": name, "content_base_64": api::base64::encode(bytes)})
            })
            .collect();
        let returned: Vec<_> = self.returned().iter().map(|(name, _)| *name).collect();
        let mut body = json!({ "code": self.code() });
        if let Some(fields) = body.as_object_mut() {
            if let Some(key) = key {
                fields.insert("api_key".to_owned(), json!(key));
            }
            if !attachments.is_empty() {
                fields.insert("attachments".to_owned(), json!(attachments));
            }
            if !returned.is_empty() {
                fields.insert("return_files".to_owned(), json!(returned));
            }
        }
        body.to_string().into_bytes()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut known = Self::ALL.into_iter().chain([Self::Nap]);
        known.find(|case| case.name() == text).ok_or_else(|| {
            "the cases are hello, numpy, full, pillow, fpdf, files, cpu and nap".to_owned()
        })
    }
}

/// A picture with colours that change gently, as in a photo. BMP: Pillow knows it by its first
/// bytes, whatever the file is called, and reading it costs next to nothing.
fn picture(width: u16, height: u16) -> Vec<u8> {
    const HEAD_BYTES: u32 = 54;
    let row = usize::from(width) * 3;
    let padding = row.next_multiple_of(4) - row;
    let pixels = (row + padding) * usize::from(height);
    let size = u32::try_from(pixels).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(pixels + 54);
    bytes.extend(b"BM");
    bytes.extend((size + HEAD_BYTES).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(HEAD_BYTES.to_le_bytes());
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(u32::from(width).to_le_bytes());
    bytes.extend(u32::from(height).to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(24_u16.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(size.to_le_bytes());
    bytes.extend([0; 16]);
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            let shade = |value: u32| value.to_le_bytes()[0];
            bytes.extend([shade(x), shade(y), shade((x + y) / 2)]);
        }
        bytes.extend(std::iter::repeat_n(0, padding));
    }
    bytes
}

/// Bytes that no compression and no all-zero shortcut makes smaller.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    while bytes.len() < FILE_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_found_by_its_name() {
        for case in Case::ALL.into_iter().chain([Case::Nap]) {
            assert_eq!(case.name().parse(), Ok(case));
        }
        assert!("helo".parse::<Case>().unwrap_err().contains("pillow"));
    }

    #[test]
    fn every_case_is_a_request_that_the_contract_allows() {
        for case in Case::ALL {
            assert!(case.code().chars().count() <= 2000);
            let body: serde_json::Value = serde_json::from_slice(&case.body(Some("key"))).unwrap();
            assert_eq!(body["code"], case.code());
            assert_eq!(body["api_key"], "key");
            for attachment in body["attachments"].as_array().into_iter().flatten() {
                let text = attachment["content_base_64"].as_str().unwrap();
                api::base64::decode(text, FILE_BYTES).unwrap();
            }
        }
        let body: serde_json::Value = serde_json::from_slice(&Case::Hello.body(None)).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_picture_says_its_own_size() {
        let bytes = picture(3, 2);
        assert_eq!(bytes.len(), 54 + 12 * 2);
        assert_eq!(bytes[2..6], 78_u32.to_le_bytes());
    }
}
