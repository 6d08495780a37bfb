//! Names of files: one that comes in stays in its folder; one that goes out never brings back a byte
//! from outside of it, whatever stands in the folder.
#![no_main]

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sandbox::{CollectLimits, FileTrouble, collect};
use server::name_in_workspace;

const INSIDE: &[u8] = b"inside";
const LIMITS: CollectLimits = CollectLimits {
    file_bytes_max: 100,
    total_bytes_max: 100,
    names_max: 2,
};

fuzz_target!(|data: &[u8]| {
    let Ok(name) = str::from_utf8(data) else {
        return;
    };
    let own_box = OWN_BOX.get_or_init(make_box);
    let opened = fs::File::open(own_box).expect("the box is there");
    let bring = |name: &str| {
        let mut files = collect(opened.as_fd(), vec![name.to_owned()], LIMITS);
        let (same, file) = files.pop().expect("each name is answered");
        assert_eq!((same.as_str(), files.len()), (name, 0));
        file
    };
    if let Ok(content) = bring(name) {
        assert_eq!(content, INSIDE, "{name:?} brought what is not ours");
    }

    let Some(kept) = name_in_workspace(name) else {
        return;
    };
    assert!((1..=255).contains(&kept.len()), "{kept:?}");
    assert!(!kept.contains(['/', '\0']) && kept != "." && kept != "..");
    assert!(name.ends_with(kept));
    assert_ne!(bring(kept), Err(FileTrouble::NameNotAllowed), "{kept:?}");
    let path = own_box.join("work").join(kept);
    assert_eq!(path.parent(), Some(own_box.join("work").as_path()));
    // What comes in under this name can be asked back under it.
    if let Ok(mut file) = fs::File::create_new(&path) {
        std::io::Write::write_all(&mut file, INSIDE).expect("there is room");
        assert_eq!(bring(kept).as_deref(), Ok(INSIDE), "{kept:?}");
        fs::remove_file(path).expect("it was just made");
    }
});

static OWN_BOX: OnceLock<PathBuf> = OnceLock::new();

/// What a hostile run could have left.
fn make_box() -> PathBuf {
    let outside = std::env::temp_dir().join(format!("hognose-fuzz-{}", std::process::id()));
    let own_box = outside.join("box");
    let work = own_box.join("work");
    fs::create_dir_all(work.join("dir/deep")).expect("there is a temporary folder");
    for place in [&outside, &own_box] {
        fs::write(place.join("secret"), b"secret").expect("it was just made");
    }
    for file in ["a", "b.txt", "dir/c", "dir/deep/d", "\u{e9} \\"] {
        fs::write(work.join(file), INSIDE).expect("it was just made");
    }
    for (link, to) in [
        ("l", "../secret"),
        ("up", ".."),
        ("dir/up", "../.."),
        ("self", "self"),
        ("here", "."),
        ("own", "a"),
        ("abs", "/"),
        ("fd", "/proc/self/cwd"),
    ] {
        symlink(to, work.join(link)).expect("it was just made");
    }
    fs::hard_link(own_box.join("secret"), work.join("hard")).expect("on the same file system");
    own_box
}
