//! The files of a run that has no file system of its own: what they take, however they are hidden.
//!
//! Whoever made them may be making more, and moving folders about: every name is opened beneath the run's
//! own folder, without following a link.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, mem};

use rustix::fs::{AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::super::proc::{numbers, of_a_living_thread, read, threads};

/// Folders and fifos of our own making that are not the run's: `work` and `tmp`.
const OURS: u32 = 2;
/// How often folders are looked for once more in one where some were moved, or removed, just then.
const AGAIN_MAX: u32 = 8;
/// What an owner needs to list a folder.
const OWNER_READS: u32 = 0o400;
/// What an owner needs to put something into it: to write and to enter it.
const OWNER_MAKES: u32 = 0o300;
/// Bytes of a block, as the kernel counts them.
pub(super) const BLOCK_BYTES: u64 = 512;

/// Bytes of files, each once, by device and inode.
pub(super) type Sizes = BTreeMap<(u64, u64), u64>;

/// What is below a folder; `None` if that is more than so many files or bytes, or cannot be counted.
///
/// The folders in one are opened before its files are looked at, each as soon as it is met, and from its outer one: whoever
/// moves it needs luck not to be seen.
pub(super) fn below(folder: &Path, files_max: u32, bytes_max: u64) -> Option<Sizes> {
    let mut sizes = Sizes::new();
    let mut bytes_left = bytes_max;
    let files_max = files_max.saturating_add(OURS);
    let mut files_left = files_max;
    let mut open_folders = vec![Open::new(open(CWD, folder)?)?];
    while let Some(innermost) = open_folders.last_mut() {
        let Some(name) = innermost.next_name(files_max) else {
            open_folders.pop();
            continue;
        };
        let name = name?;
        let (stat, inner) = if innermost.looks_for_folders {
            let Some((inner, stat)) = open_inner(&innermost.folder, &name)? else {
                innermost.missed_one = true;
                continue;
            };
            (stat, Some(inner))
        } else {
            let Ok(stat) = stat(&innermost.folder, &name) else {
                continue; // Removed meanwhile.
            };
            (stat, None)
        };
        if inner.is_some() && sizes.contains_key(&(stat.st_dev, stat.st_ino)) {
            continue; // Seen under another name.
        }
        files_left = files_left.checked_sub(1)?;
        let bytes = u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK_BYTES;
        if sizes.insert((stat.st_dev, stat.st_ino), bytes).is_none() {
            bytes_left = bytes_left.checked_sub(bytes)?;
        }
        if let Some(inner) = inner
            && !is_empty_for_good(stat.st_mode)
        {
            open_folders.push(Open::new(to_list(&inner, stat.st_mode)?)?);
        }
    }
    Some(sizes)
}

/// A folder of which some is still to be looked at.
struct Open {
    folder: OwnedFd,
    entries: Dir,
    /// Whether the folders in it are looked for, or what is none.
    looks_for_folders: bool,
    /// Whether one of them was not there any more when it was to be opened.
    missed_one: bool,
    /// How often it is looked for those once more, if so.
    again_left: u32,
    /// How many names were read since it was begun with.
    read: u32,
}

impl Open {
    fn new(folder: OwnedFd) -> Option<Self> {
        // Not opened once more, for which a folder must let itself be entered.
        let entries = Dir::new(folder.try_clone().ok()?).ok()?;
        Some(Self {
            folder,
            entries,
            looks_for_folders: true,
            missed_one: false,
            again_left: AGAIN_MAX,
            read: 0,
        })
    }

    /// The next folder in it, and when there are no more, the next of everything else; `Some(None)` if it cannot be
    /// listed, or has more than so many: whoever makes more of them all the time would be read for ever.
    fn next_name(&mut self, files_max: u32) -> Option<Option<CString>> {
        loop {
            let entry = match self.entries.next() {
                Some(Ok(entry)) => entry,
                Some(Err(_)) => return Some(None),
                None if self.looks_for_folders => {
                    let again = mem::take(&mut self.missed_one) && self.again_left > 0;
                    self.again_left -= u32::from(again);
                    self.looks_for_folders = again;
                    self.entries.rewind();
                    self.read = 0;
                    continue;
                }
                None => return None,
            };
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            if self.read == files_max {
                return Some(None);
            }
            self.read += 1;
            if self.is_folder(&entry) == self.looks_for_folders {
                return Some(Some(name.to_owned()));
            }
        }
    }

    fn is_folder(&self, entry: &DirEntry) -> bool {
        match entry.file_type() {
            // Not every file system tells with the name.
            FileType::Unknown => stat(&self.folder, entry.file_name())
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir()),
            known => known.is_dir(),
        }
    }
}

fn stat(folder: &OwnedFd, name: &CStr) -> rustix::io::Result<Stat> {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Takes hold of a folder of the run's; `Some(None)` if it was moved or removed meanwhile, `None` if that cannot be done.
fn open_inner(outer: &OwnedFd, name: &CStr) -> Option<Option<(OwnedFd, Stat)>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::openat(outer, name, flags, Mode::empty()) {
        Ok(folder) => folder,
        // It is another now.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Some(None),
        // As where too many are open, one in the other.
        Err(_) => return None,
    };
    let stat = rustix::fs::fstat(&folder).ok()?;
    Some(Some((folder, stat)))
}

/// Opens a folder of the run's once more, to be listed.
fn to_list(folder: &OwnedFd, mode: u32) -> Option<OwnedFd> {
    if mode & OWNER_READS == 0 {
        // Its owner, whom we are too, made it so. By its number: whatever is called so now may be another.
        let number = format!("/proc/self/fd/{}", folder.as_raw_fd());
        rustix::fs::chmod(number, Mode::from_raw_mode(mode | OWNER_READS)).ok()?;
    }
    open(folder, Path::new("."))
}

/// Whether a folder was made with rights by which nothing can ever come into it. A run sets no modes later.
const fn is_empty_for_good(mode: u32) -> bool {
    mode & OWNER_MAKES != OWNER_MAKES
}

fn open(parent: impl AsFd, path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, path, flags, Mode::empty()).ok()
}

/// Adds the files that have no name any more, but that a process has open or mapped. One that is only mapped can be
/// looked at by nobody, and counts as `unseen_bytes`: as much as a file may have.
pub(super) fn add_those_without_name(pid: i32, unseen_bytes: u64, sizes: &mut Sizes) {
    // A first one that has ended has nothing open, and any may have a table of descriptors of its own.
    for thread in threads(pid) {
        for number in numbers(&format!("{thread}/fd")) {
            if let Ok(file) = fs::metadata(format!("{thread}/fd/{number}"))
                && file.is_file()
                && file.nlink() == 0
            {
                sizes.insert((file.dev(), file.ino()), file.blocks() * BLOCK_BYTES);
            }
        }
    }
    let maps = of_a_living_thread(pid, |thread| {
        read(&format!("{thread}/maps")).filter(|maps| !maps.is_empty())
    });
    for file in maps.unwrap_or_default().lines().filter_map(deleted) {
        sizes.entry(file).or_insert(unseen_bytes);
    }
}

/// Device and inode of a mapped file that has no name: `7f00-7f01 rw-s 0 fe:01 123  /box/x (deleted)`.
fn deleted(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.strip_suffix(" (deleted)")?.split_whitespace().skip(3);
    let (major, minor) = fields.next()?.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let device = rustix::fs::makedev(number(major)?, number(minor)?);
    let inode = fields.next()?.parse().ok()?;
    // Shared memory without a file, which is counted as memory.
    let is_file = fields.next()? != "/dev/zero";
    is_file.then_some((device, inode))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_byte_below_a_folder_counts() {
        let folder = tempfile::tempdir().unwrap();
        let sum = |files, bytes| {
            Some(
                below(folder.path(), files, bytes)?
                    .into_values()
                    .sum::<u64>(),
            )
        };
        assert_eq!(sum(0, 100), Some(0));
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        assert!(sum(10, 2 << 20).is_some_and(|sum| sum >= 1 << 20));
        assert_eq!(sum(10, 1 << 19), None);
        assert_eq!(sum(1, 2 << 20), None);
        // A hole is no byte, and another name no other file.
        let hole = fs::File::create(deep.join("hole")).unwrap();
        hole.set_len(1 << 40).unwrap();
        fs::hard_link(deep.join("file"), deep.join("once more")).unwrap();
        assert!(sum(10, (1 << 20) + (1 << 16)).is_some());
    }

    #[test]
    fn only_who_may_write_and_enter_a_folder_fills_it() {
        assert!([0, 0o100, 0o200, 0o444, 0o077].map(is_empty_for_good) == [true; 5]);
        assert!([0o300, 0o700].map(is_empty_for_good) == [false; 2]);
    }

    #[test]
    fn a_file_without_a_name_counts_for_who_holds_it() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 3 << 20]).unwrap();
        let stat = file.metadata().unwrap();
        let mut sizes = Sizes::from([((stat.dev(), stat.ino()), 1)]);
        add_those_without_name(own, 64 << 20, &mut sizes);
        assert!(
            sizes
                .get(&(stat.dev(), stat.ino()))
                .is_some_and(|size| *size >= 3 << 20)
        );
    }

    #[test]
    fn a_mapped_file_without_a_name_is_found_in_the_list() {
        let line = "7f0000000000-7f0000001000 rw-s 00000000 fe:01 1234   /x y (deleted)";
        assert_eq!(deleted(line), Some((rustix::fs::makedev(0xfe, 1), 1234)));
        let shared = "7f00-7f01 rw-s 00000000 00:01 55   /dev/zero (deleted)";
        assert_eq!(deleted(shared), None);
        assert_eq!(deleted("7f00-7f01 r--p 00000000 fe:01 1 /lib/x"), None);
    }
}
