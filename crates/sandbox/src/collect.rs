//! Hostile files, bounded bytes.
//!
//! Called when every process of the run is dead or its files are read-only, so nothing moves any more. Still
//! nothing here trusts a name, a link, a type or a size: each file is opened beneath the run's own file system
//! without following any link, and read to a bound.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::job::CollectLimits;
use crate::outcome::FileTrouble;

/// The folder of the box in which programs work.
pub(crate) const WORK: &str = "work";
/// Longest part of a path. Bytes; the file system's own limit.
const PART_BYTES_MAX: usize = 255;
/// Longest path. Bytes; the kernel's own limit.
const PATH_BYTES_MAX: usize = 4095;

/// What is beneath the workspace, without links of any kind.
pub(crate) const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Reads the files asked for, in the order asked, from the folder `work` of a run's own file system.
pub fn collect(
    own_box: BorrowedFd<'_>,
    names: Vec<String>,
    limits: CollectLimits,
) -> Vec<(String, Result<Vec<u8>, FileTrouble>)> {
    let mut left = limits.total_bytes_max;
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let file = if index < limits.names_max {
                read(own_box, &name, limits, left)
            } else {
                Err(FileTrouble::TooManyNames {
                    names_max: limits.names_max,
                })
            };
            let read = file.as_ref().map_or(0, Vec::len);
            left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
            (name, file)
        })
        .collect()
}

fn read(
    own_box: BorrowedFd<'_>,
    name: &str,
    limits: CollectLimits,
    left: u64,
) -> Result<Vec<u8>, FileTrouble> {
    if !names_a_file(name) {
        return Err(FileTrouble::NameNotAllowed);
    }
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = Path::new(WORK).join(name);
    let file =
        rustix::fs::openat2(own_box, path, flags, Mode::empty(), BENEATH).map_err(trouble)?;
    let stat = rustix::fs::fstat(file.as_fd()).map_err(trouble)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink == 1 => {}
        FileType::RegularFile => return Err(FileTrouble::HardLink),
        FileType::Directory => return Err(FileTrouble::Directory),
        _ => return Err(FileTrouble::NotRegular),
    }
    let size_bytes = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if size_bytes > limits.file_bytes_max {
        return Err(FileTrouble::TooLarge {
            size_bytes,
            bytes_max: limits.file_bytes_max,
        });
    }
    if size_bytes > left {
        let bytes_max = limits.total_bytes_max;
        return Err(FileTrouble::TotalTooLarge {
            size_bytes,
            bytes_max,
        });
    }
    let mut content = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
    let count = std::fs::File::from(file)
        .take(size_bytes)
        .read_to_end(&mut content)
        .or(Err(FileTrouble::Unreadable))?;
    // Nothing writes any more, so what is there is what the size says.
    if u64::try_from(count) == Ok(size_bytes) {
        Ok(content)
    } else {
        Err(FileTrouble::Unreadable)
    }
}

/// A relative path that goes down only, and ends with a name. Checked before the kernel sees it, since a trailing
/// slash makes even `O_NOFOLLOW` follow.
fn names_a_file(name: &str) -> bool {
    let goes_down = |part: &str| part != ".." && part.len() <= PART_BYTES_MAX;
    let last = name.rsplit('/').next();
    name.len() <= PATH_BYTES_MAX
        && !name.contains('\0')
        && !name.starts_with('/')
        && name.split('/').all(goes_down)
        && last.is_some_and(|last| !last.is_empty() && last != ".")
}

fn trouble(error: Errno) -> FileTrouble {
    match error {
        Errno::NOENT | Errno::NOTDIR => FileTrouble::Missing,
        Errno::LOOP => FileTrouble::SymbolicLink,
        Errno::NXIO => FileTrouble::NotRegular,
        Errno::XDEV | Errno::NAMETOOLONG | Errno::INVAL => FileTrouble::NameNotAllowed,
        _ => FileTrouble::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const LIMITS: CollectLimits = CollectLimits {
        file_bytes_max: 100,
        total_bytes_max: 150,
        names_max: 4,
    };

    struct Box {
        folder: std::path::PathBuf,
        fd: rustix::fd::OwnedFd,
    }

    impl Box {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("hognose-{}-{name}", std::process::id()));
            fs::create_dir_all(folder.join(WORK)).unwrap();
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let fd = rustix::fs::open(&folder, flags, Mode::empty()).unwrap();
            Self { folder, fd }
        }

        fn work(&self, name: &str) -> std::path::PathBuf {
            self.folder.join(WORK).join(name)
        }

        fn get(&self, name: &str) -> Result<Vec<u8>, FileTrouble> {
            collect(self.fd.as_fd(), vec![name.to_owned()], LIMITS)
                .remove(0)
                .1
        }
    }

    impl Drop for Box {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.folder).unwrap();
        }
    }

    #[test]
    fn a_plain_file_comes_whole() {
        let b = Box::new("plain");
        fs::create_dir_all(b.work("sub")).unwrap();
        fs::write(b.work("sub/a.txt"), "hello").unwrap();
        fs::write(b.work("empty"), "").unwrap();
        assert_eq!(b.get("sub/a.txt"), Ok(b"hello".to_vec()));
        assert_eq!(b.get("empty"), Ok(Vec::new()));
        assert_eq!(b.get("nope"), Err(FileTrouble::Missing));
        assert_eq!(b.get("sub"), Err(FileTrouble::Directory));
    }

    #[test]
    fn links_lead_nowhere() {
        let b = Box::new("links");
        fs::write(b.work("real"), "x").unwrap();
        symlink("/etc/passwd", b.work("file")).unwrap();
        symlink("real", b.work("inside")).unwrap();
        symlink("/etc", b.work("folder")).unwrap();
        symlink("/proc/self/environ", b.work("magic")).unwrap();
        for name in ["file", "inside", "folder/passwd", "magic"] {
            assert_eq!(b.get(name), Err(FileTrouble::SymbolicLink), "{name}");
        }
        fs::hard_link(b.work("real"), b.work("twice")).unwrap();
        assert_eq!(b.get("twice"), Err(FileTrouble::HardLink));
    }

    #[test]
    fn pipes_and_sockets_do_not_block() {
        let b = Box::new("pipes");
        rustix::fs::mknodat(
            &b.fd,
            "work/fifo",
            FileType::Fifo,
            Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(b.work("socket")).unwrap();
        assert_eq!(b.get("fifo"), Err(FileTrouble::NotRegular));
        assert_eq!(b.get("socket"), Err(FileTrouble::NotRegular));
    }

    #[test]
    fn names_that_lead_up_or_to_folders_are_refused() {
        let b = Box::new("names");
        fs::create_dir_all(b.work("sub")).unwrap();
        fs::write(b.work("a"), "x").unwrap();
        fs::write(b.work("sub/b"), "x").unwrap();
        for name in ["./a", ".//a", "sub//b", "./sub/./b"] {
            assert_eq!(b.get(name), Ok(b"x".to_vec()), "{name:?}");
        }
        for name in [
            "",
            "/a",
            "a/",
            ".",
            "./",
            "../work/a",
            "a/.",
            "sub/../a",
            "a\0b",
            "//a",
            &"n".repeat(256),
        ] {
            assert_eq!(b.get(name), Err(FileTrouble::NameNotAllowed), "{name:?}");
        }
    }

    #[test]
    fn bounds_hold_for_one_for_all_and_for_names() {
        let b = Box::new("bounds");
        fs::write(b.work("large"), vec![0; 101]).unwrap();
        fs::write(b.work("one"), vec![0; 100]).unwrap();
        fs::write(b.work("two"), vec![0; 51]).unwrap();
        fs::write(b.work("three"), vec![0; 50]).unwrap();
        let names = ["large", "one", "two", "three", "one"]
            .map(str::to_owned)
            .to_vec();
        let files: Vec<_> = collect(b.fd.as_fd(), names, LIMITS)
            .into_iter()
            .map(|(_, file)| file.map(|content| content.len()))
            .collect();
        assert_eq!(
            files,
            [
                Err(FileTrouble::TooLarge {
                    size_bytes: 101,
                    bytes_max: 100
                }),
                Ok(100),
                Err(FileTrouble::TotalTooLarge {
                    size_bytes: 51,
                    bytes_max: 150
                }),
                Ok(50),
                Err(FileTrouble::TooManyNames { names_max: 4 }),
            ]
        );
    }

    #[test]
    fn a_sparse_file_is_judged_by_its_length() {
        let b = Box::new("sparse");
        fs::File::create(b.work("sparse"))
            .unwrap()
            .set_len(100 << 30)
            .unwrap();
        assert_eq!(
            b.get("sparse"),
            Err(FileTrouble::TooLarge {
                size_bytes: 100 << 30,
                bytes_max: 100
            })
        );
    }
}
